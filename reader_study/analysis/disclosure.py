"""Which numbers are too small to be shown: they would speak of single cases, or of single readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Disclosure:
    """The least cases and readers of a group that is shown; ``cells`` lets single readers' cells be shown.

    A cell of one reader and one disease, or of one truth and one answer, says what a case is and who got it
    wrong; before unblinding, nobody is told.
    """

    cases: int
    readers: int
    cells: bool

    def hides(self, cases: int, readers: int) -> str:
        """Why a group of that size is not shown; empty where it is."""
        if cases < self.cases:
            return f"Not shown: fewer than {self.cases} cases."
        if readers < self.readers:
            return f"Not shown: fewer than {self.readers} readers."
        return ""


OPEN = Disclosure(cases=3, readers=1, cells=True)
BLINDED = Disclosure(cases=5, readers=3, cells=False)
HIDDEN_CELLS = "Not shown before the study is unblinded: single cells would tell cases and readers apart."


def disclosure_of(study: Mapping[str, Any]) -> Disclosure:
    """What a study's state lets be shown; files from elsewhere have no state and nothing to hide."""
    return BLINDED if study.get("state") in ("draft", "open", "locked") else OPEN
