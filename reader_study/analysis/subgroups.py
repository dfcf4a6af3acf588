"""Accuracy, and what help does to it, where it may differ: rarity, disease, site, specialty, experience."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from reader_study.analysis.columns import Booleans
from reader_study.analysis.comparisons import OR_METHOD
from reader_study.analysis.disclosure import Disclosure
from reader_study.analysis.mrmc import paired_proportion
from reader_study.analysis.multiplicity import correct
from reader_study.analysis.paired import pairs_of
from reader_study.analysis.table import StudyTable

LEVEL = 0.95
EXPERIENCE = ((5, "under 5 years"), (10, "5 to 9 years"), (1_000, "10 years and more"))
OF_CASES = ("rarity", "disease")
EFFECT_KINDS = ("rarity", "disease", "site", "specialty", "experience")
_NONE = "There are no readings."


@dataclass(frozen=True)
class Group:
    """Some cases or some readers; ``cases`` (C,) and ``readers`` (R,) say which belong to it."""

    by: str
    name: str
    cases: Booleans
    readers: Booleans


def groups(table: StudyTable) -> Iterator[Group]:
    """Every subgroup of the study. A case belongs to the disease of its primary truth."""
    columns = table.columns
    real = [reader for reader in table.readers if not reader.simulated]
    all_cases, all_readers = np.ones(len(columns.cases), bool), np.ones(len(columns.readers), bool)
    of_cases = {
        "rarity": ["rare" if case.rare else "common" for case in table.cases],
        "disease": [case.truths[0] if case.truths else "" for case in table.cases],
    }
    of_readers = {
        "specialty": [reader.specialty for reader in real],
        "experience": [_experience(reader.years) for reader in real],
    }
    for by, names in of_cases.items():
        for name in sorted(set(names) - {""}):
            yield Group(by, name, np.array([each == name for each in names]), all_readers)
    for by, names in of_readers.items():
        for name in sorted(set(names) - {""}):
            yield Group(by, name, all_cases, np.array([each == name for each in names]))


def subgroups(table: StudyTable, metrics: Mapping[str, int], disclosure: Disclosure) -> list[dict[str, Any]]:
    """Top-k accuracy of the real readers, and of the model on the same cases, in each subgroup.

    Intervals are Wilson's and take reads as independent.

    Args:
        table: The scored study.
        metrics: Name and k.
        disclosure: Which groups are too small to be shown.

    Returns:
        Rows ``by, group, arm, metric, cases, readers, x, n, accuracy, ci``; ``model`` for groups of cases.
    """
    columns = table.columns
    hits = [table.model_hits.get(case) for case in columns.cases]
    counts = {(arm, k): columns.counts(arm, k) for arm in columns.arms for k in metrics.values()}
    rows = []
    for group in groups(table):
        for arm in columns.arms:
            cell = np.ix_(group.readers, group.cases)
            read = next(iter(counts[arm, k] for k in metrics.values()))[1][cell]
            if not read.any():
                continue
            cases, readers = int((read.sum(axis=0) > 0).sum()), int((read.sum(axis=1) > 0).sum())
            why = disclosure.hides(cases, readers)
            for metric, k in metrics.items():
                x, n = int(counts[arm, k][0][cell].sum()), int(read.sum())
                row: dict[str, Any] = {"by": group.by, "group": group.name, "arm": arm, "metric": metric}
                row |= {"cases": cases, "readers": readers, **_proportion(x, n, why)}
                if group.by in OF_CASES:
                    own = [
                        hit for hit, mine in zip(hits, group.cases, strict=True) if mine and hit is not None
                    ]
                    right = sum(1 <= hit <= k for hit in own)
                    row["model"] = _proportion(right, len(own), disclosure.hides(len(own), readers))
                rows.append(row)
    return rows


def effects(
    table: StudyTable, disclosure: Disclosure, kinds: Collection[str] = EFFECT_KINDS, k: int = 1
) -> list[dict[str, Any]]:
    """Aided minus unaided in each subgroup and site (Obuchowski-Rockette), Holm over the groups of a kind.

    Args:
        table: The scored study.
        disclosure: Which groups are too small to be shown.
        kinds: Which kinds of groups.
        k: How many ranks count.

    Returns:
        Rows ``by, group, cases, readers, difference, se, df, ci, p, p_holm``.
    """
    columns = table.columns
    if not {"aided", "unaided"} <= set(columns.arms):
        return []
    sites = [reader.site for reader in table.readers if not reader.simulated]
    everyone = np.ones(len(columns.cases), bool)
    found = list(groups(table))
    found += [
        Group("site", name, everyone, np.array([site == name for site in sites]))
        for name in sorted(set(sites) - {""})
    ]
    pairs = pairs_of(columns)
    unaided, aided = pairs.right(k)
    outcomes = np.where(pairs.both, np.stack([aided, unaided]), np.nan)
    rows = []
    for group in (each for each in found if each.by in kinds):
        part = outcomes[:, group.readers][:, :, group.cases]
        read = ~np.isnan(part[0])
        if not read.any():
            continue
        of_readers, of_cases = read.any(axis=1), read.any(axis=0)
        cases, readers = int(of_cases.sum()), int(of_readers.sum())
        row: dict[str, Any] = {"by": group.by, "group": group.name, "cases": cases, "readers": readers}
        if why := disclosure.hides(cases, readers):
            rows.append(row | dict.fromkeys(("difference", "se", "df", "ci", "p")) | {"reason": why})
            continue
        found_here = paired_proportion(part[:, of_readers][:, :, of_cases]).to_json()
        rows.append(row | found_here | {"method": OR_METHOD})
    for by in dict.fromkeys(row["by"] for row in rows):
        correct(row for row in rows if row["by"] == by)
    return rows


def _experience(years: int | None) -> str:
    if years is None:
        return ""
    return next((words for limit, words in EXPERIENCE if years < limit), EXPERIENCE[-1][1])


def _proportion(x: int, n: int, why: str) -> dict[str, Any]:
    if n == 0 or why:
        return {"x": None, "n": n, "accuracy": None, "ci": None, "reason": why if n else _NONE}
    low, high = proportion_confint(x, n, alpha=1 - LEVEL, method="wilson")
    return {"x": x, "n": n, "accuracy": x / n, "ci": [float(low), float(high)]}
