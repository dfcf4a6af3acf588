"""The one object that pages, files and figures draw from, so that their numbers cannot differ."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from reader_study.analysis import agreement, cells, comparisons, paired, subgroups
from reader_study.analysis.disclosure import Disclosure, disclosure_of
from reader_study.analysis.estimates import (
    READERS,
    SIMULATED,
    Estimate,
    GroupAccuracy,
    ModelDifference,
    ReaderAccuracy,
    SiteAccuracy,
    UnequalK,
)
from reader_study.analysis.multiplicity import correct
from reader_study.analysis.table import StudyTable


@dataclass(frozen=True)
class Report:
    """Everything that was computed, with what is needed to print and to repeat it.

    Accuracy is there at once; each comparison is computed when it is first asked for, so that a page pays for
    what it shows.
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
    unequal: UnequalK | None = None
    unequal_k: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def k_of(self) -> dict[str, int]:
        """Name of each metric and its k."""
        return {metric: int(metric.removeprefix("top")) for metric in self.metrics}

    @cached_property
    def disclosure(self) -> Disclosure:
        """What may be shown in the present state of the study."""
        return disclosure_of(self.study)

    @cached_property
    def pairs(self) -> paired.Pairs:
        """Readings of the same reader and case in both arms."""
        return paired.pairs_of(self.table.columns)

    @cached_property
    def aided_vs_unaided(self) -> Mapping[str, Any]:
        """By metric, Holm-corrected over metrics in ``p_holm``."""
        found = {name: comparisons.aided_vs_unaided(self.pairs, k) for name, k in self.k_of.items()}
        correct(found.values())
        return found

    @cached_property
    def u_statistics(self) -> Mapping[str, Any]:
        """Aided minus unaided over all readings, for designs where readings are missing."""
        return {name: comparisons.by_u_statistics(self.table.columns, k) for name, k in self.k_of.items()}

    @cached_property
    def mcnemar(self) -> Mapping[str, Any]:
        """Each reader against the model, and aided against unaided."""
        hits = self.table.model_hits
        against = {
            name: paired.reader_vs_model_mcnemar(self.table.columns, hits, k) if hits else []
            for name, k in self.k_of.items()
        }
        return {
            "reader_vs_model": against,
            "aided_vs_unaided": {"top1": paired.aided_vs_unaided_mcnemar(self.pairs)},
        }

    @cached_property
    def agreement(self) -> Mapping[str, Any]:
        """By arm, on the first diagnosis."""
        columns = self.table.columns
        return {arm: agreement.agreement(agreement.first_choices(columns, arm)) for arm in columns.arms}

    @cached_property
    def confidence_agreement(self) -> Mapping[str, Any]:
        """By arm, on the level of confidence, which has an order: AC2 and alpha."""
        columns = self.table.columns
        return {arm: agreement.ordinal_agreement(agreement.confidences(columns, arm)) for arm in columns.arms}

    @cached_property
    def intra_reader(self) -> Mapping[str, Any]:
        """By arm, readers with themselves on repeated cases."""
        columns = self.table.columns_with_repeats
        return {arm: agreement.intra_reader(columns, arm) for arm in columns.arms}

    @cached_property
    def gee(self) -> Mapping[str, Any]:
        """Logistic GEE of Top-1 on help, and the same with other clusters and working correlations."""
        columns = self.table.columns
        return {"top1": comparisons.gee(columns), "sensitivity": comparisons.gee_sensitivity(columns)}

    @cached_property
    def glmm(self) -> Mapping[str, Any]:
        """Logistic mixed model of Top-1 on help."""
        return {"top1": comparisons.glmm(self.table.columns)}

    @cached_property
    def time(self) -> Mapping[str, Any]:
        """Mixed model of log seconds, and readers' medians."""
        return {
            "log_seconds": comparisons.log_seconds(self.table.columns),
            "median_seconds": paired.median_seconds(self.pairs),
        }

    @cached_property
    def confidence(self) -> Mapping[str, Any]:
        """Aided minus unaided."""
        return paired.confidence(self.pairs)

    @cached_property
    def reclassification(self) -> Mapping[str, Any]:
        """What help changed at rank 1, all cases, and rare and common ones apart."""
        by_rarity = {}
        for name, rare in (("rare", True), ("common", False)):
            cases = [case.case_id for case in self.table.cases if case.rare == rare]
            if cases:
                part = paired.pairs_of(self.table.subset(cases=cases).columns)
                why = self.disclosure.hides(len(cases), len(self.table.columns.readers))
                by_rarity[name] = {"reason": why} if why else paired.reclassification(part)
        return {"top1": paired.reclassification(self.pairs), "by_rarity": by_rarity}

    @cached_property
    def automation_bias(self) -> Mapping[str, Any]:
        """What readers did with a wrong model."""
        answers = {each.case_id: (each.ranks[0], each.hit) for each in self.table.model if each.ranks}
        return {"top1": paired.automation_bias(self.pairs, answers)}

    @cached_property
    def subgroups(self) -> list[dict[str, Any]]:
        """Accuracy by rarity, disease, specialty and experience."""
        return subgroups.subgroups(self.table, self.k_of, self.disclosure)

    @cached_property
    def effects(self) -> list[dict[str, Any]]:
        """Aided minus unaided by the same, and by site."""
        return subgroups.effects(self.table, self.disclosure)

    @cached_property
    def reader_by_disease(self) -> Mapping[str, Any]:
        """Top-1 of each reader in each disease."""
        return cells.reader_by_disease(self.table, self.disclosure)

    @cached_property
    def confusion(self) -> Mapping[str, Any]:
        """What each disease is taken for."""
        return cells.confusion(self.table, self.disclosure)

    @cached_property
    def calibration(self) -> list[dict[str, Any]]:
        """How often each level of confidence is right."""
        return cells.calibration(self.table)

    @cached_property
    def times(self) -> list[dict[str, Any]]:
        """Each reader's median seconds."""
        return cells.times(self.table)

    @cached_property
    def quality(self) -> list[dict[str, Any]]:
        """What each reader's readings lack."""
        return cells.quality(self.table)

    @cached_property
    def document(self) -> "Document":
        """The report under the keys of the ``analyse`` command, each part computed when it is asked for."""
        return Document(self)

    def to_json(self) -> dict[str, Any]:
        """The whole document; simulated readers stand apart."""
        return dict(self.document)

    def _unequal(self) -> dict[str, dict[str, Any]]:
        asked = self.unequal
        if asked is None:
            return {}
        return {
            arm: {
                **estimate.to_json("difference"),
                "model_k": asked.model,
                "readers_k": asked.readers,
                "warning": "Unequal numbers of guesses: no comparison of skill.",
            }
            for arm, estimate in self.unequal_k.items()
        }

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


class Document(Mapping[str, Any]):
    """A report as plain values, part by part."""

    def __init__(self, report: Report) -> None:
        real = [row for row in report.readers if not row.simulated]
        simulated = [row for row in report.readers if row.simulated]
        identity = report.model_identity
        self._parts: dict[str, Callable[[], Any]] = {
            "study": lambda: dict(report.study),
            "model_identity": lambda: dict(identity) if identity is not None else None,
            "model": lambda: {metric: estimate.to_json() for metric, estimate in report.model.items()},
            "readers": lambda: [_reader_json(row) for row in real],
            "arms": lambda: report._arms(READERS),
            "sites": lambda: [_site_json(row) for row in report.sites],
            "model_vs_readers": lambda: report._differences(READERS),
            "aided_vs_unaided": lambda: dict(report.aided_vs_unaided),
            "u_statistics": lambda: dict(report.u_statistics),
            "mcnemar": lambda: report.mcnemar,
            "agreement": lambda: report.agreement,
            "confidence_agreement": lambda: report.confidence_agreement,
            "intra_reader": lambda: report.intra_reader,
            "gee": lambda: report.gee,
            "glmm": lambda: report.glmm,
            "time": lambda: report.time,
            "confidence": lambda: report.confidence,
            "reclassification": lambda: report.reclassification,
            "automation_bias": lambda: report.automation_bias,
            "subgroups": lambda: report.subgroups,
            "effects": lambda: report.effects,
            "reader_by_disease": lambda: report.reader_by_disease,
            "confusion": lambda: report.confusion,
            "calibration": lambda: report.calibration,
            "times": lambda: report.times,
            "quality": lambda: report.quality,
            "counts": lambda: dict(report.counts),
            "notes": lambda: list(report.notes),
            "methods": lambda: report.methods,
            "seed": lambda: report.seed,
            "resamples": lambda: report.resamples,
        }
        if report.unequal is not None:
            self._parts["unequal_k"] = lambda: report._unequal()
        if simulated:
            self._parts["simulated"] = lambda: {
                "readers": [_reader_json(row) for row in simulated],
                "arms": report._arms(SIMULATED),
                "model_vs_readers": report._differences(SIMULATED),
            }

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - JSON
        return self._parts[key]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def _site_json(row: SiteAccuracy) -> dict[str, Any]:
    return {
        "site": row.site,
        "arm": row.arm,
        "metric": row.metric,
        "readers": row.readers,
        **row.accuracy.to_json(),
    }


def _reader_json(row: ReaderAccuracy) -> dict[str, Any]:
    return {
        "reader_id": row.reader_id,
        "site": row.site,
        "simulated": row.simulated,
        "arm": row.arm,
        "metric": row.metric,
        **row.accuracy.to_json(),
    }
