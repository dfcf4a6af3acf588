"""The JSON document of the ``mrmc`` command."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import combinations
from typing import Any, Literal

import numpy as np

from reader_study.analysis.mrmc.comparison import Comparison
from reader_study.analysis.mrmc.covariance import Covariance
from reader_study.analysis.mrmc.obuchowski_rockette import MISSING_CELL, against_fixed, obuchowski_rockette
from reader_study.analysis.mrmc.outcomes import Floats, Kernels, Outcome, auc_kernels, proportion_kernels
from reader_study.analysis.mrmc.ratings import Ratings
from reader_study.analysis.mrmc.ustatistic import u_statistics
from reader_study.errors import StudyError

Method = Literal["or", "ustat"]
MOST_NAMED = 10
_NO_FIXED = "The U-statistic treats readers and cases as random; use method or for fixed readers or cases."
_NO_VARIANCE = "Not estimable: no two readers read different cases of each kind."
_SEVERAL = "There are several treatments; see by_treatment."


def mrmc(
    ratings: Ratings,
    outcome: Outcome,
    *,
    threshold: float | None = None,
    method: Method = "or",
    covariance: Covariance = "jackknife",
    standalone: str | None = None,
) -> dict[str, Any]:
    """Compare treatments, and readers with a stand-alone model.

    Args:
        ratings: The readings.
        outcome: Area under the empirical ROC curve, or proportion of cases called rightly.
        threshold: Proportion only: a rating from here on calls the case diseased. Without it, ratings must
            be 0 or 1.
        method: Obuchowski-Rockette, or U-statistics for incomplete designs.
        covariance: Obuchowski-Rockette only.
        standalone: The reader that is the model; it takes no part in the comparison of treatments.

    Returns:
        ``pairs``, ``components``, ``means`` and ``model_vs_readers`` (readers minus model), plain values.

    Raises:
        StudyError: the outcome cannot be computed from these ratings.
    """
    if threshold is not None and not math.isfinite(threshold):
        raise StudyError("The threshold must be a finite number.")
    people = tuple(name for name in ratings.readers if name != standalone)
    if standalone is not None and len(people) == len(ratings.readers):
        raise StudyError(f"There is no reader {standalone} in the ratings.")
    if not people:
        raise StudyError("There is no reader beside the stand-alone model.")
    if np.isnan(ratings.of_readers(people).values).all():
        raise StudyError("Every rating of the readers is empty.")
    readers = ratings.of_readers(people)
    kernels = _kernels(readers.values, readers, outcome, threshold)
    found = (
        _by_ustatistics(kernels, readers.treatments)
        if method == "ustat"
        else _by_obuchowski_rockette(kernels, readers, covariance)
    )
    found |= {"outcome": outcome, "threshold": threshold, "readers": len(people), "cases": len(ratings.cases)}
    if standalone is not None:
        model = ratings.of_readers((standalone,))
        found["model_vs_readers"] = _against_model(readers, model, outcome, threshold, covariance)
    return found


def _kernels(values: Floats, ratings: Ratings, outcome: Outcome, threshold: float | None) -> Kernels:
    if outcome == "auc":
        if threshold is not None:
            raise StudyError("A threshold belongs to the outcome proportion, not to auc.")
        if ratings.truth.all() or not ratings.truth.any():
            raise StudyError("The AUC needs cases with truth 0 and cases with truth 1.")
        return auc_kernels(values, ratings.truth)
    seen = values[~np.isnan(values)]
    if threshold is None and not np.isin(seen, (0, 1)).all():
        raise StudyError("The outcome proportion needs a threshold, or ratings that are 0 or 1.")
    calls = values >= (0.5 if threshold is None else threshold)
    return proportion_kernels(np.where(np.isnan(values), np.nan, calls == ratings.truth))


def _by_obuchowski_rockette(kernels: Kernels, readers: Ratings, covariance: Covariance) -> dict[str, Any]:
    found = obuchowski_rockette(kernels, covariance)
    names = readers.treatments
    components = asdict(found.components) if found.components else None
    if components and components["f"] is None:
        components["reason"] = "Not estimable: the denominator of F is zero."
    document: dict[str, Any] = {
        "method": "or",
        "covariance": covariance,
        "pairs": [
            {
                "treatment_1": names[pair.first],
                "treatment_2": names[pair.second],
                "rrrc": pair.rrrc.to_json(),
                "frrc": pair.frrc.to_json(),
                "rrfc": pair.rrfc.to_json(),
            }
            for pair in found.pairs
        ],
        "components": components
        or {"reason": "Not estimable: needs two treatments and two readers, each with both."},
        "means": [{"treatment": name, **_mean(mean)} for name, mean in zip(names, found.means, strict=True)],
    }
    incomplete = np.isnan(kernels.means)
    if incomplete.any() and all(pair.rrrc.reason == MISSING_CELL for pair in found.pairs):
        missing = [
            f"{readers.readers[r]} in {names[t]}" for t, r in np.argwhere(incomplete)[:MOST_NAMED].tolist()
        ]
        more = ", ..." if incomplete.sum() > MOST_NAMED else ""
        document["note"] = f"No outcome of reader {', '.join(missing)}{more}."
    elif not readers.complete:
        document["note"] = (
            "Readings are missing or cases differ between readers: covariances use the cases shared; "
            "method ustat is made for such designs."
        )
    return document


def _by_ustatistics(kernels: Kernels, names: tuple[str, ...]) -> dict[str, Any]:
    found = u_statistics(kernels)
    fixed = {**Comparison(None, reason=_NO_FIXED).to_json()}
    tests = {(a, b): comparison for a, b, comparison in found.pairs}
    ideal = {(a, b): test for (a, b, _), test in zip(found.pairs, found.bootstrap, strict=True)}
    return {
        "method": "ustat",
        "covariance": None,
        "pairs": [
            {
                "treatment_1": names[a],
                "treatment_2": names[b],
                "rrrc": tests[a, b].to_json(),
                "frrc": fixed,
                "rrfc": fixed,
                "bootstrap": ideal[a, b].to_json(),
            }
            for a, b in combinations(range(len(names)), 2)
        ],
        "components": {
            "variance": {
                name: _plain(found.covariance[t, t])
                for t, name in enumerate(names)
                if not np.isnan(found.covariance[t, t])
            },
            "covariance": [
                {
                    "treatment_1": names[a],
                    "treatment_2": names[b],
                    "covariance": _plain(found.covariance[a, b]),
                    **({"reason": _NO_VARIANCE} if np.isnan(found.covariance[a, b]) else {}),
                }
                for a, b in combinations(range(len(names)), 2)
            ],
        },
        "means": [{"treatment": name, **_mean(mean)} for name, mean in zip(names, found.means, strict=True)],
    }


def _against_model(
    readers: Ratings, model: Ratings, outcome: Outcome, threshold: float | None, covariance: Covariance
) -> dict[str, Any]:
    """Each treatment of the readers against the model's ratings there, or its only ratings."""
    found = {}
    for number, name in enumerate(readers.treatments):
        if name in model.treatments:
            answers = model.values[model.treatments.index(name), 0]
        elif len(model.treatments) == 1:
            answers = model.values[0, 0]
        else:
            words = f"Not estimable: the model has no ratings in treatment {name}."
            found[name] = Comparison(None, reason=words).to_json()
            continue
        of_readers = readers.values[number]
        shared = ~np.isnan(answers)
        of_readers = np.where(shared, of_readers, np.nan)
        read = ~np.isnan(of_readers).all(axis=1)
        if not read.any():
            words = "Not estimable: readers and model share no cases."
            found[name] = Comparison(None, reason=words).to_json()
            continue
        of_readers = of_readers[read]
        both = np.stack([of_readers, np.where(np.isnan(of_readers), np.nan, answers)])
        found[name] = against_fixed(_kernels(both, readers, outcome, threshold), covariance).to_json()
    if len(found) == 1:
        return {**next(iter(found.values())), "by_treatment": found}
    return {**Comparison(None, reason=_SEVERAL).to_json(), "by_treatment": found}


def _mean(mean: Comparison) -> dict[str, Any]:
    """A mean is no difference and is not tested against zero."""
    found = mean.to_json()
    return {"mean": found["difference"], **{key: found[key] for key in ("se", "df", "ci")}} | (
        {"reason": mean.reason} if mean.reason else {}
    )


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
