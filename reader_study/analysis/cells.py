"""Tables behind the figures: who knows which disease, what is taken for what, how sure readers are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from reader_study.analysis.disclosure import HIDDEN_CELLS, Disclosure
from reader_study.analysis.table import StudyTable
from retizero.knowledge import load_catalogue

LEVEL = 0.95
FEWEST_TIMED = 2


def reader_by_disease(table: StudyTable, disclosure: Disclosure) -> dict[str, Any]:
    """Top-1 of each reader in each disease: ``rows`` of ``arm, disease, reader_id, x, n``."""
    if not disclosure.cells:
        return {"rows": [], "reason": HIDDEN_CELLS}
    columns = table.columns
    diseases = sorted({case.truths[0] for case in table.cases if case.truths})
    place = {name: index for index, name in enumerate(diseases)}
    of_case = np.array([place[c.truths[0]] if c.truths else len(diseases) for c in table.cases], np.intp)
    membership = np.eye(len(diseases) + 1)[of_case][:, : len(diseases)] if len(of_case) else np.zeros((0, 0))
    rows = []
    for arm in columns.arms:
        right, read = columns.counts(arm, 1)
        x, n = right @ membership, read @ membership
        rows += [
            {"arm": arm, "disease": disease, "reader_id": reader, "x": int(x[r, d]), "n": int(n[r, d])}
            for r, reader in enumerate(columns.readers)
            for d, disease in enumerate(diseases)
            if n[r, d]
        ]
    return {"rows": rows}


def confusion(table: StudyTable, disclosure: Disclosure) -> dict[str, Any]:
    """What each disease is taken for at rank 1: ``rows`` of ``who, truth, answer, n, share, look_alike``.

    ``who`` is an arm or ``model``; ``look_alike`` says whether the catalogue warns of that confusion.
    """
    if not disclosure.cells:
        return {"rows": [], "reason": HIDDEN_CELLS}
    columns = table.columns
    truth = [case.truths[0] if case.truths else "" for case in table.cases]
    counted: dict[str, Counter[tuple[str, str]]] = {}
    for arm in columns.arms:
        rows = np.flatnonzero(columns.of_arm(arm) & (columns.first >= 0))
        counted[arm] = Counter(
            (truth[case], columns.answers[first])
            for case, first in zip(columns.case[rows].tolist(), columns.first[rows].tolist(), strict=True)
        )
    of_case = dict(zip(columns.cases, truth, strict=True))
    if table.model:
        counted["model"] = Counter((of_case[a.case_id], a.ranks[0]) for a in table.model if a.ranks)
    catalogue = load_catalogue()
    found = []
    for who, cells in counted.items():
        totals: Counter[str] = Counter()
        for (disease, _), n in cells.items():
            totals[disease] += n
        for (disease, answer), n in sorted(cells.items()):
            near = {each.id for each in catalogue[disease].look_alikes} if disease in catalogue else set()
            row = {"who": who, "truth": disease, "answer": answer, "n": n, "share": n / totals[disease]}
            found.append(row | {"look_alike": answer in near})
    return {"rows": found}


def calibration(table: StudyTable) -> list[dict[str, Any]]:
    """How often each level of confidence is right at rank 1: ``arm, confidence, x, n, accuracy, ci``."""
    columns = table.columns
    rows = []
    for arm in columns.arms:
        mine = columns.of_arm(arm) & ~np.isnan(columns.confidence)
        for level in np.unique(columns.confidence[mine]).tolist():
            own = mine & (columns.confidence == level)
            x, n = int((columns.hit[own] == 1).sum()), int(own.sum())
            low, high = proportion_confint(x, n, alpha=1 - LEVEL, method="wilson")
            rows.append(
                {"arm": arm, "confidence": int(level), "x": x, "n": n, "accuracy": x / n}
                | {"ci": [float(low), float(high)]}
            )
    return rows


def times(table: StudyTable) -> list[dict[str, Any]]:
    """Median and quartiles of seconds of each reader and arm: ``reader_id, arm, n, median, low, high``."""
    columns = table.columns
    rows = []
    for arm in columns.arms:
        mine = columns.of_arm(arm) & ~np.isnan(columns.seconds)
        for index, reader in enumerate(columns.readers):
            seconds = columns.seconds[mine & (columns.reader == index)]
            if len(seconds) >= FEWEST_TIMED:
                low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75]).tolist()
                row = {"reader_id": reader, "arm": arm, "n": len(seconds)}
                rows.append(row | {"median": middle, "low": low, "high": high})
    return rows


def quality(table: StudyTable) -> list[dict[str, Any]]:
    """What each reader's readings lack: ``reader_id, site, expected, readings, missing, unresolved, ...``."""
    columns = table.columns
    reads: dict[str, list[int]] = {reader: [0, 0, 0, 0] for reader in columns.readers}
    for read in table.reads:
        if read.reader_id in reads:
            own = reads[read.reader_id]
            own[0] += 1
            own[1] += read.unresolved > 0
            own[2] += read.confidence is None
            own[3] += read.seconds is None
    rows = []
    for reader in table.readers:
        if reader.simulated:
            continue
        done, unresolved, no_confidence, no_time = reads[reader.reader_id]
        expected = table.expected.get(reader.reader_id, 0)
        rows.append(
            {
                "reader_id": reader.reader_id,
                "site": reader.site,
                "expected": expected,
                "readings": done,
                "missing": max(expected - done, 0),
                "unresolved": unresolved,
                "without_confidence": no_confidence,
                "without_time": no_time,
            }
        )
    return rows
