"""The same readers without and with the model's help, and each reader against the model: counts and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from reader_study.analysis.columns import Booleans, Columns, Floats, Integers
from reader_study.analysis.multiplicity import correct


@dataclass(frozen=True)
class Pairs:
    """Readings of the same reader and case in both arms; the first of each where read again.

    Attributes:
        columns: where they come from.
        unaided: (readers, cases) row of the reading, -1 where missing; aided likewise.
    """

    columns: Columns
    unaided: Integers
    aided: Integers

    @property
    def both(self) -> Booleans:
        """(readers, cases) where there are both."""
        return np.asarray((self.unaided >= 0) & (self.aided >= 0))

    def right(self, k: int) -> tuple[Booleans, Booleans]:
        """(readers, cases) unaided and aided right within k ranks; False where missing."""
        return (_right(self.columns, self.unaided, k), _right(self.columns, self.aided, k))

    def outcomes(self, k: int) -> Floats:
        """(2, readers, cases) aided, then unaided; NaN without both; readers without any pair left out."""
        unaided, aided = self.right(k)
        both = self.both
        found = np.where(both, np.stack([aided, unaided]), np.nan)
        return np.asarray(found[:, both.any(axis=1)])


def pairs_of(columns: Columns) -> Pairs:
    """Pair unaided with aided readings."""
    return Pairs(columns, columns.grid("unaided"), columns.grid("aided"))


def _right(columns: Columns, rows: Integers, k: int) -> Booleans:
    if not len(columns.hit):
        return np.zeros(rows.shape, bool)
    hits = np.where(rows >= 0, columns.hit[rows], 0)
    return np.asarray((hits >= 1) & (hits <= k))


def mcnemar(first: int, second: int) -> dict[str, Any]:
    """McNemar's test of discordant pairs: exact (the one to report), mid-p, and the two chi squares.

    >>> mcnemar(10, 2)["p"]
    0.03857421875
    """
    discordant = first + second
    if discordant == 0:
        nothing = dict.fromkeys(("chi2", "chi2_p", "chi2_corrected", "chi2_corrected_p"))
        return {"p": 1.0, "p_mid": 1.0, **nothing, "reason": "No discordant pairs: the exact p is 1."}
    fewer = min(first, second)
    at_most = 2 * float(stats.binom.cdf(fewer, discordant, 0.5))
    exact = min(at_most, 1.0)
    mid = 1.0 if first == second else at_most - float(stats.binom.pmf(fewer, discordant, 0.5))
    plain = (first - second) ** 2 / discordant
    corrected = (abs(first - second) - 1) ** 2 / discordant
    return {
        "p": exact,
        "p_mid": mid,
        "chi2": plain,
        "chi2_p": float(stats.chi2.sf(plain, 1)),
        "chi2_corrected": corrected,
        "chi2_corrected_p": float(stats.chi2.sf(corrected, 1)),
    }


def aided_vs_unaided_mcnemar(pairs: Pairs, k: int = 1) -> list[dict[str, Any]]:
    """Exact McNemar of each reader; Holm's and Benjamini and Hochberg's corrections over readers."""
    unaided, aided = pairs.right(k)
    both = pairs.both
    gained, lost = (both & ~unaided & aided).sum(axis=1), (both & unaided & ~aided).sum(axis=1)
    return _tested(pairs.columns.readers, np.asarray(both.any(axis=1)), {"gained": gained, "lost": lost})


def reader_vs_model_mcnemar(
    columns: Columns, model_hits: Mapping[str, int], k: int, arm: str = "unaided"
) -> list[dict[str, Any]]:
    """Exact McNemar of each reader against the model on the cases of the reader, at equal k."""
    rows = columns.grid(arm)
    hits = np.array([model_hits.get(case, -1) for case in columns.cases], np.intp)
    read = (rows >= 0) & (hits >= 0)
    reader, model = _right(columns, rows, k), (hits >= 1) & (hits <= k)
    counts = {
        "reader_only": (read & reader & ~model).sum(axis=1),
        "model_only": (read & ~reader & model).sum(axis=1),
    }
    return _tested(columns.readers, np.asarray((rows >= 0).any(axis=1)), counts)


def _tested(
    readers: tuple[str, ...], took_part: Booleans, counts: Mapping[str, Integers]
) -> list[dict[str, Any]]:
    rows = []
    for index in sorted(np.flatnonzero(took_part), key=lambda index: readers[index]):
        own = {name: int(found[index]) for name, found in counts.items()}
        test = mcnemar(*own.values())
        row: dict[str, Any] = {"reader_id": readers[index], **own}
        rows.append(row | {name: test[name] for name in ("p", "p_mid", "reason") if name in test})
    correct(rows, false_discovery=True)
    return rows


def reclassification(pairs: Pairs, k: int = 1) -> dict[str, Any]:
    """How readings moved from wrong to right and back; ``net`` is the share gained minus the share lost."""
    unaided, aided = pairs.right(k)
    both = pairs.both
    gained, lost = int((both & ~unaided & aided).sum()), int((both & unaided & ~aided).sum())
    moves = int(both.sum())
    return {
        "wrong_to_right": gained,
        "right_to_wrong": lost,
        "stay_right": int((both & unaided & aided).sum()),
        "stay_wrong": int((both & ~unaided & ~aided).sum()),
        "net": (gained - lost) / moves if moves else None,
    } | ({} if moves else {"reason": "No case was read in both arms."})


def automation_bias(pairs: Pairs, answers: Mapping[str, tuple[str, int]], k: int = 1) -> dict[str, Any]:
    """What readers did with a wrong model.

    Args:
        pairs: unaided and aided readings.
        answers: The model's first choice and hit rank, by case.
        k: How many ranks count.
    """
    columns = pairs.columns
    hits = np.array([answers[case][1] if case in answers else -1 for case in columns.cases], np.intp)
    place = {answer: index for index, answer in enumerate(columns.answers)}
    label = np.array([place.get(answers[c][0], -2) if c in answers else -2 for c in columns.cases], np.intp)
    unaided, aided = pairs.right(k)
    wrong = pairs.both & (hits >= 0) & ~((hits >= 1) & (hits <= k))
    helped = pairs.both & (hits >= 1) & (hits <= k)
    switched = np.zeros_like(wrong)
    if len(columns.first):
        before, after = (
            np.where(rows >= 0, columns.first[rows], -1) for rows in (pairs.unaided, pairs.aided)
        )
        switched = wrong & (after == label) & (before != label)
    return {
        "model_wrong_reads": int(wrong.sum()),
        "right_to_wrong_when_model_wrong": int((wrong & unaided & ~aided).sum()),
        "switched_to_wrong_model_label": int(switched.sum()),
        "wrong_to_right_when_model_right": int((helped & ~unaided & aided).sum()),
    }


def reader_means(pairs: Pairs, values: Floats, *, median: bool = False) -> tuple[Floats, Floats]:
    """Each reader's mean (or median) unaided and aided, over cases that have both values.

    Args:
        pairs: unaided and aided readings.
        values: (N,), NaN where unknown.
        median: Medians of all own readings in the arm instead.
    """
    if not len(values):
        return np.zeros(0), np.zeros(0)
    found = []
    for reader in range(len(pairs.columns.readers)):
        both = pairs.both[reader]
        a, b = values[pairs.unaided[reader][both]], values[pairs.aided[reader][both]]
        known = ~np.isnan(a) & ~np.isnan(b)
        if known.any():
            centre = np.median if median else np.mean
            found.append((float(centre(a[known])), float(centre(b[known]))))
    both_arms = np.array(found, np.float64).reshape(-1, 2)
    return both_arms[:, 0], both_arms[:, 1]


def confidence(pairs: Pairs) -> dict[str, Any]:
    """Paired t of readers' mean confidence, aided minus unaided."""
    unaided, aided = reader_means(pairs, pairs.columns.confidence)
    if len(unaided) < 2 or np.ptp(aided - unaided) < 1e-12:
        words = "Not estimable: it needs two readers with confidence in both arms, and some spread."
        return {"difference": None, "t": None, "df": None, "p": None, "ci": None, "reason": words}
    test = stats.ttest_rel(aided, unaided)
    low, high = test.confidence_interval(0.95)
    return {
        "difference": float((aided - unaided).mean()),
        "t": float(test.statistic),
        "df": float(test.df),
        "p": float(test.pvalue),
        "ci": [float(low), float(high)],
    }


def median_seconds(pairs: Pairs) -> dict[str, Any]:
    """Wilcoxon's signed rank test of readers' median seconds, unaided and aided; exact in small studies."""
    unaided, aided = reader_means(pairs, pairs.columns.seconds, median=True)
    if len(unaided) < 2 or not (unaided != aided).any():
        words = "Not estimable: it needs two readers with times in both arms, and some difference."
        return {"unaided": None, "aided": None, "v": None, "p": None, "reason": words}
    test = stats.wilcoxon(unaided, aided)
    differences = unaided - aided
    ranks = stats.rankdata(np.abs(differences[differences != 0]))
    return {
        "unaided": float(np.median(unaided)),
        "aided": float(np.median(aided)),
        "v": float(ranks[differences[differences != 0] > 0].sum()),
        "p": float(test.pvalue),
    }
