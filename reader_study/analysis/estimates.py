"""A number with its interval, and whom or what it is about."""

import math
from dataclasses import dataclass
from typing import Any

READERS = "readers"
SIMULATED = "simulated readers"


@dataclass(frozen=True)
class UnequalK:
    """A comparison at different numbers of guesses: ranks that count for the model, and for readers."""

    model: int
    readers: int


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, or the reason in words why there is none.

    Attributes:
        value: proportion or difference of proportions, ``None`` where not estimable.
        ci: lower and upper limit.
        x: number right, where the value is a proportion of reads.
        n: what the value rests on (reads, or readers for a mean over readers).
        reason: why it is not estimable, or what limits it; empty otherwise.
        se: standard error, where the method has one; df: degrees of freedom; p: two-sided, against zero.
    """

    value: float | None
    ci: tuple[float, float] | None
    x: int | None
    n: int
    reason: str = ""
    se: float | None = None
    df: float | None = None
    p: float | None = None

    def to_json(self, name: str = "accuracy") -> dict[str, Any]:
        """The value under the given name, with interval, counts and reason."""
        result: dict[str, Any] = {name: self.value, "ci": list(self.ci) if self.ci else None, "n": self.n}
        if self.x is not None:
            result["x"] = self.x
        if name == "difference":
            endless = self.df is not None and math.isinf(self.df)
            result |= {"se": self.se, "df": None if endless else self.df, "p": self.p}
            if endless:
                result["distribution"] = "normal"
        if self.reason or self.value is None:
            result["reason"] = self.reason
        return result


@dataclass(frozen=True)
class ReaderAccuracy:
    """Top-k accuracy of one reader in one arm (Wilson interval)."""

    reader_id: str
    site: str
    simulated: bool
    arm: str
    metric: str
    accuracy: Estimate


@dataclass(frozen=True)
class GroupAccuracy:
    """Mean over readers in one arm (two-way bootstrap interval)."""

    group: str
    arm: str
    metric: str
    readers: int
    accuracy: Estimate


@dataclass(frozen=True)
class SiteAccuracy:
    """All reads of a site's readers in one arm (Wilson interval, which takes reads as independent)."""

    site: str
    arm: str
    metric: str
    readers: int
    accuracy: Estimate


@dataclass(frozen=True)
class ModelDifference:
    """Readers minus model at equal k, on the cases that each reader read (readers and cases random)."""

    group: str
    arm: str
    metric: str
    difference: Estimate
