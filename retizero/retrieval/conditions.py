"""Conditions on what a search may return: labels, sources, groups, sites."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from retizero.knowledge import load_catalogue


@dataclass(frozen=True)
class Conditions:
    """What a photograph must fulfil to be returned; an empty tuple asks for nothing.

    A photograph passes when, for each field that is not empty, it has one of the values.

    Attributes:
        labels: Diagnoses by any name of the catalogue; a more specific diagnosis passes too.
        sources: Sources, as written.
        groups: Patients, as written.
        sites: Sites, as written.
    """

    labels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.sources or self.groups or self.sites)

    def columns(self, label_texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Allowed values per column of the records; columns without a condition are left out.

        Args:
            label_texts: All label texts that occur in the gallery, such as ``drusen; macular hole``.
        """
        plain = {"source": self.sources, "group": self.groups, "site": self.sites}
        columns = {name: values for name, values in plain.items() if values}
        if self.labels:
            wanted = frozenset().union(*map(_meanings, self.labels))
            columns["label"] = tuple(
                text for text in label_texts if any(_meaning(part) in wanted for part in text.split(";"))
            )
        return columns


def _meaning(label: str) -> str:
    """Catalogue id of a label, or its own words where the catalogue does not know it."""
    words = " ".join(label.split())
    return load_catalogue().resolve(words).id or words.casefold()


def _meanings(label: str) -> frozenset[str]:
    catalogue = load_catalogue()
    meaning = _meaning(label)
    return frozenset({meaning}) | (catalogue.descendants(meaning) if meaning in catalogue else frozenset())
