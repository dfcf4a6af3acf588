"""Accuracy where it may differ: rare and common diseases, each disease, readers' experience."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from statsmodels.stats.proportion import proportion_confint

from reader_study.analysis.table import Read, StudyTable

FEWEST_CASES = 3  # fewer say more about single cases than about a group
LEVEL = 0.95
EXPERIENCE = ((5, "under 5 years"), (10, "5 to 9 years"), (1_000, "10 years and more"))
_FEW = f"Not shown: fewer than {FEWEST_CASES} cases."
_NONE = "There are no readings."


def subgroups(table: StudyTable, metrics: Mapping[str, int]) -> list[dict[str, Any]]:
    """Top-k accuracy of the real readers, and of the model on the same cases, in each subgroup.

    A case belongs to the disease of its primary truth. Intervals are Wilson's and take reads as independent.

    Args:
        table: The scored study.
        metrics: Name and k.

    Returns:
        Rows ``by, group, arm, metric, cases, readers, x, n, accuracy, ci``; ``model`` for groups of cases.
    """
    real = {reader.reader_id: reader for reader in table.readers if not reader.simulated}
    reads = [read for read in table.reads if read.reader_id in real]
    disease = {case.case_id: case.truths[0] for case in table.cases if case.truths}
    rare = {case.case_id: "rare" if case.rare else "common" for case in table.cases}
    years = {name: _experience(reader.years) for name, reader in real.items()}
    rules: dict[str, tuple[Callable[[Read], str], Mapping[str, str]]] = {
        "rarity": (lambda read: rare[read.case_id], rare),
        "disease": (lambda read: disease.get(read.case_id, ""), disease),
        "experience": (lambda read: years[read.reader_id], {}),
    }
    rows = []
    for by, (group_of, cases) in rules.items():
        sorted_into: dict[tuple[str, str], list[Read]] = {}
        for read in reads:
            sorted_into.setdefault((group_of(read), read.arm), []).append(read)
        for (group, arm), mine in sorted(sorted_into.items()):
            if not group:
                continue
            for metric, k in metrics.items():
                row = {"by": by, "group": group, "arm": arm, "metric": metric, **_accuracy(mine, k)}
                if cases:
                    row["model"] = _of_model(
                        table, {name for name, each in cases.items() if each == group}, k
                    )
                rows.append(row)
    return rows


def _experience(years: int | None) -> str:
    if years is None:
        return ""
    return next(words for limit, words in EXPERIENCE if years < limit)


def _accuracy(reads: list[Read], k: int) -> dict[str, Any]:
    cases = len({read.case_id for read in reads})
    counted = {"cases": cases, "readers": len({read.reader_id for read in reads})}
    right = sum(1 <= read.hit <= k for read in reads)
    return counted | _proportion(right, len(reads), cases)


def _of_model(table: StudyTable, cases: set[str], k: int) -> dict[str, Any]:
    hits = [1 <= answer.hit <= k for answer in table.model if answer.case_id in cases]
    return _proportion(sum(hits), len(hits), len(hits))


def _proportion(x: int, n: int, cases: int) -> dict[str, Any]:
    if n == 0 or cases < FEWEST_CASES:
        reason = _FEW if n else _NONE
        return {"x": None, "n": n, "accuracy": None, "ci": None, "reason": reason}
    low, high = proportion_confint(x, n, alpha=1 - LEVEL, method="wilson")
    return {"x": x, "n": n, "accuracy": x / n, "ci": [float(low), float(high)]}
