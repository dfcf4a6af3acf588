"""The catalogue of fundus diseases: loading, looking up, and how entries are related.

>>> catalogue = load_catalogue()
>>> catalogue.resolve("CRVO").id
'central-retinal-vein-occlusion'
"""

import hashlib
from collections.abc import Collection, Iterable
from functools import cached_property, lru_cache
from typing import Literal

from retizero.knowledge.entries import Disease, Sign, disease_from_raw, read_raw_entries, read_signs
from retizero.knowledge.errors import KnowledgeError, UnknownDisease
from retizero.knowledge.resolve import Resolution, Resolver
from retizero.knowledge.review import read_reviews
from retizero.knowledge.suggest import Suggester

AcceptanceRule = Literal["same", "child", "parent", "either"]

# Entries of this group are findings, not diagnoses: too broad to be accepted for a specific disease.
FINDINGS = "finding"


class Catalogue:
    """All entries and the signs they link to; read only."""

    def __init__(self, diseases: Iterable[Disease], signs: Iterable[Sign] = ()) -> None:
        self.diseases: tuple[Disease, ...] = tuple(diseases)
        self.signs: dict[str, Sign] = {sign.id: sign for sign in signs}
        self._by_id = {disease.id: disease for disease in self.diseases}

    def __len__(self) -> int:
        return len(self.diseases)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id

    def __getitem__(self, id: str) -> Disease:
        """The entry with this id; raises UnknownDisease."""
        try:
            return self._by_id[id]
        except KeyError:
            raise UnknownDisease(f"The catalogue has no entry with the id {id!r}.") from None

    def get(self, id: str) -> Disease | None:
        """The entry with this id, None when there is none."""
        return self._by_id.get(id)

    @cached_property
    def groups(self) -> dict[str, int]:
        """How many entries each group has, by name of the group."""
        counts: dict[str, int] = {}
        for disease in self.diseases:
            counts[disease.group] = counts.get(disease.group, 0) + 1
        return dict(sorted(counts.items()))

    @cached_property
    def version(self) -> str:
        """Twelve hex digits that change with any content of any entry; stored beside results."""
        text = "\n".join(sorted(f"{disease.id} {disease.content_hash}" for disease in self.diseases))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def _resolver(self) -> Resolver:
        return Resolver(self.diseases)

    @cached_property
    def _suggester(self) -> Suggester:
        return Suggester(self.diseases)

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for disease in self.diseases:
            for parent in disease.parents:
                found.setdefault(parent, []).append(disease.id)
        return {parent: tuple(children) for parent, children in found.items()}

    def resolve(self, text: str, within: Collection[str] | None = None) -> Resolution:
        """Which entry a text names: see ``resolve.Resolver.resolve``."""
        return self._resolver.resolve(text, within)

    def suggest(self, text: str, limit: int = 8) -> tuple[Disease, ...]:
        """Entries that a half-typed text announces, best first."""
        return self._suggester.suggest(text, limit)

    def children(self, id: str) -> tuple[str, ...]:
        """Ids of the entries directly below; raises UnknownDisease."""
        return self._children.get(self[id].id, ())

    def ancestors(self, id: str) -> frozenset[str]:
        """Ids of all entries above, without the entry itself; raises UnknownDisease."""
        found: set[str] = set()
        waiting = list(self[id].parents)
        while waiting:
            parent = waiting.pop()
            if parent not in found and parent in self._by_id:
                found.add(parent)
                waiting.extend(self._by_id[parent].parents)
        return frozenset(found)

    def descendants(self, id: str) -> frozenset[str]:
        """Ids of all entries below, without the entry itself; raises UnknownDisease."""
        found: set[str] = set()
        waiting = list(self.children(id))
        while waiting:
            child = waiting.pop()
            if child not in found:
                found.add(child)
                waiting.extend(self._children.get(child, ()))
        return frozenset(found)

    def is_same_or_accepted(self, answer_id: str, truth_id: str, rule: AcceptanceRule = "same") -> bool:
        """Whether an answer counts as the reference standard under a rule that the protocol fixed.

        Args:
            answer_id: id that the reader or the model gave.
            truth_id: id of the reference standard.
            rule: "same" accepts the entry itself; "child" also a more specific answer; "parent" also a less
                specific one, but never a mere finding such as "maculopathy"; "either" both.
        """
        if rule not in ("same", "child", "parent", "either"):
            raise KnowledgeError(f"The rule {rule!r} is unknown; use same, child, parent or either.")
        answer, truth = self[answer_id], self[truth_id]
        if answer.id == truth.id:
            return True
        if rule in ("child", "either") and truth.id in self.ancestors(answer.id):
            return True
        return (
            rule in ("parent", "either")
            and answer.group != FINDINGS
            and answer.id in self.ancestors(truth.id)
        )


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """The catalogue that comes with the package, read once; raises CatalogueError when a file is broken."""
    signed = {id: review.content_hash for id, review in read_reviews().items()}
    diseases = [disease_from_raw(raw, signed.get(str(raw["id"]))) for raw in read_raw_entries()]
    return Catalogue(diseases, read_signs())
