"""From the words of a manifest to catalogue ids, and to the candidates an image is judged against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retizero.data import ManifestRow
from retizero.evaluation.errors import EvaluationError
from retizero.knowledge import LabelSet, load_catalogue, parse_labels

FREE = "free:"


def label_id(text: str, within: frozenset[str] = frozenset()) -> str:
    """Catalogue id of a name or synonym, or ``free:<text>`` where the catalogue does not know it.

    Args:
        text: As the manifest has it.
        within: Candidate ids, which decide what an ambiguous abbreviation means.
    """
    words = " ".join(text.split())
    return load_catalogue().resolve(words, within=within or None).id or FREE + words.casefold()


def candidates_of(rows: Sequence[ManifestRow]) -> LabelSet:
    """The labels that occur in a manifest, in alphabetical order, each meaning once.

    Raises:
        EvaluationError: There are none.
    """
    meanings: dict[str, str] = {}
    for text in sorted({label for row in rows for label in row.labels}):
        meanings.setdefault(label_id(text), " ".join(text.split()))
    if not meanings:
        raise EvaluationError("The manifest has no labels to evaluate.")
    catalogue = load_catalogue()
    names = [catalogue[id].name if id in catalogue else text for id, text in meanings.items()]
    return parse_labels("\n".join(names))


@dataclass(frozen=True)
class Truth:
    """What is true of the rows that can be judged.

    Attributes:
        kept: Indices of those rows.
        matrix: (len(kept), K) whether the candidate is true.
        primary: (len(kept),) index of the primary label among the candidates.
        left_out: One sentence per row that has no label among the candidates.
        unknown: Labels of the manifest that the catalogue does not know.
    """

    kept: tuple[int, ...]
    matrix: NDArray[np.bool_]
    primary: NDArray[np.int64]
    left_out: tuple[str, ...]
    unknown: tuple[str, ...]


def truth_of(rows: Sequence[ManifestRow], labels: LabelSet) -> Truth:
    """Find the true candidates of each row.

    Labels outside the candidates are dropped; the first one that is left is the primary label. A row of
    which none is left cannot be judged.

    Raises:
        EvaluationError: No row is left.
    """
    place = {id: position for position, id in enumerate(labels.ids)}
    within = frozenset(place)
    ids = {text: label_id(text, within) for text in {label for row in rows for label in row.labels}}
    kept, members, left_out = [], [], []
    for index, row in enumerate(rows):
        places = [place[ids[text]] for text in row.labels if ids[text] in place]
        if places:
            kept.append(index)
            members.append(places)
        else:
            left_out.append(f"Row {row.row}: {'; '.join(row.labels)} is not among the candidates.")
    if not kept:
        raise EvaluationError(
            f"None of the manifest's labels is among the {len(labels.ids)} candidates of {labels.name!r}."
        )
    matrix = np.zeros((len(kept), len(labels.ids)), np.bool_)
    for line, places in enumerate(members):
        matrix[line, places] = True
    return Truth(
        kept=tuple(kept),
        matrix=matrix,
        primary=np.array([places[0] for places in members]),
        left_out=tuple(left_out),
        unknown=tuple(sorted(text for text, id in ids.items() if id.startswith(FREE))),
    )
