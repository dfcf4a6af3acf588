"""From the labels of a manifest to rows of a target matrix, and to the prompts that speak of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from retizero.data import ManifestRow
from retizero.knowledge import Catalogue, LabelSet, Style, prompts


class LabelMismatch(ValueError):
    """A manifest names a label that the label set does not hold; the message names it."""


def label_matrix(
    rows: Sequence[ManifestRow], labels: LabelSet, catalogue: Catalogue
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return (N, K) 0/1 of every label of each row, and (N,) index of its primary label.

    Further labels of a row that are not in the set are left out; the primary one must be.

    Raises:
        LabelMismatch: A primary label is not in the set.
    """
    column = {id: index for index, id in enumerate(labels.ids)}
    column_of: dict[str, int | None] = {}
    for text in {text for row in rows for text in row.labels}:
        found = catalogue.resolve(text).id
        column_of[text] = column.get(found) if found else None
    matrix = np.zeros((len(rows), len(labels)), np.float32)
    primary = np.zeros(len(rows), np.int64)
    for index, row in enumerate(rows):
        first = column_of[row.label]
        if first is None:
            raise LabelMismatch(f"Row {row.row}: {row.label!r} is not in the label set {labels.name}.")
        primary[index] = first
        for text in row.labels:
            if (place := column_of[text]) is not None:
                matrix[index, place] = 1
    return matrix, primary


@dataclass(frozen=True)
class Prompts:
    """Texts, and the index of the disease each speaks of; the labels of the set come first."""

    texts: tuple[str, ...]
    owner: NDArray[np.int64]


def training_prompts(labels: LabelSet, catalogue: Catalogue, style: str, template: str) -> Prompts:
    """Collect prompts of the set's labels, as set and catalogue word them, then of all other diseases.

    Besides the prompts used at test time every synonym is a prompt, so that the wording matters less.
    """
    texts: list[str] = []
    owner: list[int] = []
    rest = [disease.id for disease in catalogue.diseases if disease.id not in set(labels.ids)]
    named = [*zip(labels.ids, labels.names, strict=True), *((id, catalogue[id].name) for id in rest)]
    for index, (id, name) in enumerate(named):
        mine = list(prompts(id, cast(Style, style), template, name=name))
        if id in catalogue:
            disease = catalogue[id]
            wordings = (name, disease.name, *disease.synonyms)
            mine += [template.replace("{label}", wording) for wording in wordings]
        mine = list(dict.fromkeys([*mine, name]))
        texts += mine
        owner += [index] * len(mine)
    return Prompts(tuple(texts), np.array(owner, np.int64))
