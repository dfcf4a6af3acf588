"""Which part of a study a dashboard shows, and the choices there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reader_study.analysis import StudyTable

FIELDS = ("site", "specialty", "rarity", "disease")
METRICS = ("top1", "top3", "top5")


@dataclass(frozen=True)
class Filters:
    """Empty text means all. ``rarity`` is rare or common; ``disease`` an id of the primary truth."""

    site: str = ""
    specialty: str = ""
    rarity: str = ""
    disease: str = ""

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> Filters:
        """Take what a request asks for; unknown values select nothing and harm nothing."""
        return cls(**{field: query.get(field, "")[:200] for field in FIELDS})

    @property
    def any(self) -> bool:
        """Whether anything is left out."""
        return self != Filters()

    def applied(self, table: StudyTable) -> StudyTable:
        """The part of the study; simulated readers have no site or specialty to be chosen by."""
        readers = [
            reader.reader_id
            for reader in table.readers
            if self.site in ("", reader.site) and self.specialty in ("", reader.specialty)
        ]
        cases = [
            case.case_id
            for case in table.cases
            if self.rarity in ("", "rare" if case.rare else "common")
            and (not self.disease or self.disease in case.truths[:1])
        ]
        return table.subset(readers, cases)


def choices(table: StudyTable, *, diseases: bool) -> dict[str, list[str]]:
    """What each filter can be; diseases only where the truth may be told."""
    real = [reader for reader in table.readers if not reader.simulated]
    return {
        "site": sorted({reader.site for reader in real} - {""}),
        "specialty": sorted({reader.specialty for reader in real} - {""}),
        "rarity": sorted({"rare" if case.rare else "common" for case in table.cases}),
        "disease": sorted({case.truths[0] for case in table.cases if case.truths}) if diseases else [],
    }
