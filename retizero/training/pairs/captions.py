"""Captions: as they are written, or made of the catalogue's words where a pair has labels only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from retizero.knowledge import Catalogue, Style, prompts

_COLUMNS = ("caption", "captions", "text", "texts", "title")


@dataclass(frozen=True)
class Wording:
    """How labels are put into words: a prompt style of the catalogue, and the template."""

    style: str
    template: str

    def of(self, labels: Sequence[str], catalogue: Catalogue) -> tuple[str, ...]:
        """Put the labels of a photograph into words.

        Several labels make captions of each, and one that names them all. A label that the catalogue does not
        know is used as it is written.
        """
        made: list[str] = []
        names = []
        for label in labels:
            found = catalogue.resolve(label).id
            name = label if found is None else catalogue[found].name
            names.append(name)
            made += prompts(
                found or label, cast(Style, self.style), self.template, name=name, catalogue=catalogue
            )
        if len(names) > 1:
            joined = f"{', '.join(names[:-1])} and {names[-1]}"
            made.insert(0, joined if self.style == "name" else self.template.replace("{label}", joined))
        return tuple(dict.fromkeys(made))


def written_captions(values: Mapping[str, str]) -> tuple[str, ...]:
    """Collect the captions of a row: columns ``caption`` or ``text``, numbered ones too, one per line."""
    found: list[str] = []
    for column, value in values.items():
        if is_caption_column(column):
            found += [" ".join(line.split()) for line in value.splitlines()]
    return tuple(dict.fromkeys(text for text in found if text))


def is_caption_column(column: str) -> bool:
    """Tell whether a column holds captions: ``caption``, ``caption_2``, ``text``, ..."""
    return column.rstrip("0123456789").rstrip("_- ") in _COLUMNS
