"""The one object that pages, files and figures draw from, so that their numbers cannot differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reader_study.analysis.comparisons import comparisons
from reader_study.analysis.subgroups import subgroups
from reader_study.analysis.table import StudyTable

READERS = "readers"
SIMULATED = "simulated readers"


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
            result |= {"se": self.se, "df": self.df, "p": self.p}
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


@dataclass(frozen=True)
class Report:
    """Everything that was computed, with what is needed to print and to repeat it.

    Accuracy is there at once; the comparisons are computed when they are first asked for.
    """

    table: StudyTable
    study: Mapping[str, Any]
    metrics: tuple[str, ...]
    model_identity: Mapping[str, Any] | None
    model: Mapping[str, Estimate]
    readers: tuple[ReaderAccuracy, ...]
    groups: tuple[GroupAccuracy, ...]
    sites: tuple[SiteAccuracy, ...]
    model_vs_readers: tuple[ModelDifference, ...]
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    methods: str
    seed: int
    resamples: int

    @cached_property
    def comparisons(self) -> Mapping[str, Any]:
        """Every comparison beyond accuracy, under the keys of the ``analyse`` command."""
        k_of = {metric: int(metric.removeprefix("top")) for metric in self.metrics}
        return {**comparisons(self.table, k_of), "subgroups": subgroups(self.table, k_of)}

    def to_json(self) -> dict[str, Any]:
        """The report under the keys of the ``analyse`` command; simulated readers stand apart."""
        real = [row for row in self.readers if not row.simulated]
        simulated = [row for row in self.readers if row.simulated]
        result: dict[str, Any] = {
            "study": dict(self.study),
            "model_identity": dict(self.model_identity) if self.model_identity is not None else None,
            "model": {metric: estimate.to_json() for metric, estimate in self.model.items()},
            "readers": [_reader_json(row) for row in real],
            "arms": self._arms(READERS),
            "sites": [
                {
                    "site": row.site,
                    "arm": row.arm,
                    "metric": row.metric,
                    "readers": row.readers,
                    **row.accuracy.to_json(),
                }
                for row in self.sites
            ],
            "model_vs_readers": self._differences(READERS),
            **self.comparisons,
            "counts": dict(self.counts),
            "notes": list(self.notes),
            "methods": self.methods,
            "seed": self.seed,
            "resamples": self.resamples,
        }
        if simulated:
            result["simulated"] = {
                "readers": [_reader_json(row) for row in simulated],
                "arms": self._arms(SIMULATED),
                "model_vs_readers": self._differences(SIMULATED),
            }
        return result

    def _arms(self, group: str) -> dict[str, dict[str, Any]]:
        arms: dict[str, dict[str, Any]] = {}
        for row in self.groups:
            if row.group == group:
                arms.setdefault(row.arm, {})[row.metric] = {**row.accuracy.to_json(), "readers": row.readers}
        return arms

    def _differences(self, group: str) -> dict[str, dict[str, Any]]:
        arms: dict[str, dict[str, Any]] = {}
        for row in self.model_vs_readers:
            if row.group == group:
                arms.setdefault(row.arm, {})[row.metric] = {
                    **row.difference.to_json("difference"),
                    "method": "Obuchowski-Rockette, model fixed, readers and cases random, Hillis df",
                }
        return arms


def _reader_json(row: ReaderAccuracy) -> dict[str, Any]:
    return {
        "reader_id": row.reader_id,
        "site": row.site,
        "simulated": row.simulated,
        "arm": row.arm,
        "metric": row.metric,
        **row.accuracy.to_json(),
    }
