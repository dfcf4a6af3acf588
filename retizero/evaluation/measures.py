"""All numbers of a zero-shot result, from the answers alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from retizero.evaluation.answers import Answers
from retizero.evaluation.bootstrap import LEVEL, GroupBootstrap, estimate, estimate_mean
from retizero.evaluation.chance import hit_chance
from retizero.evaluation.look_alikes import confusion_among_look_alikes
from retizero.evaluation.metrics import balanced_accuracy, label_ranks, mean, truth_ranks
from retizero.evaluation.protocols import ZeroShotProtocol
from retizero.evaluation.reliability import calibration_error, reliability_table
from retizero.evaluation.score_curves import macro_auc, macro_average_precision, roc_auc
from retizero.evaluation.selective import aurc, risk_coverage, selective_risk

Floats = NDArray[np.floating[Any]]
Statistic = Callable[[Floats | None], Floats]

_CURVE_POINTS = 101


def headline_statistics(answers: Answers, protocol: ZeroShotProtocol) -> dict[str, Statistic]:
    """The numbers that two models are compared by, as functions of bootstrap weights (N, R) -> (R,).

    Keys are ``top_k.1``, ``macro_auc``, ``macro_ap``, ``balanced_accuracy``, ``ece``,
    ``selective.max_probability.aurc`` and so on: where a report holds the value.
    """
    scores, truth = answers.scores, answers.truth
    ranks = truth_ranks(scores, truth)
    primary_first = first_is_primary(answers)
    confidence = scores.max(axis=1)
    found: dict[str, Statistic] = {f"top_k.{k}": _mean_of(ranks <= k) for k in protocol.k}
    found |= {
        "macro_auc": lambda w: macro_auc(scores, truth, w),
        "macro_ap": lambda w: macro_average_precision(scores, truth, w),
        "balanced_accuracy": lambda w: balanced_accuracy(primary_first, answers.primary, w),
        "ece": lambda w: calibration_error(confidence, ranks == 1, w),
    }
    for name, uncertainty in uncertainties(answers).items():
        found[f"selective.{name}.aurc"] = _aurc_of(uncertainty, ranks > 1)
    return found


def _mean_of(hits: NDArray[np.bool_]) -> Statistic:
    return lambda weights: mean(hits.astype(np.float64), weights)


def _aurc_of(uncertainty: NDArray[np.float64], wrong: NDArray[np.bool_]) -> Statistic:
    return lambda weights: aurc(uncertainty, wrong, weights)


def uncertainties(answers: Answers) -> dict[str, NDArray[np.float64]]:
    """Ways to be unsure, (N,) each: one minus the greatest probability, and the Dirichlet's K / S."""
    found = {"max_probability": 1 - answers.scores.max(axis=1)}
    if answers.uncertainty is not None:
        found["dirichlet"] = answers.uncertainty
    return found


def first_is_primary(answers: Answers) -> NDArray[np.bool_]:
    """Whether the first answer is the primary label, (N,)."""
    only = np.zeros_like(answers.truth)
    only[np.arange(len(only)), answers.primary] = True
    return np.asarray(truth_ranks(answers.scores, only) == 1)


def measure(answers: Answers, protocol: ZeroShotProtocol, bootstrap: GroupBootstrap) -> dict[str, Any]:
    """All measures of a report, plain values for JSON."""
    estimates = {
        name: estimate(statistic, bootstrap)
        for name, statistic in headline_statistics(answers, protocol).items()
    }
    ranks = truth_ranks(answers.scores, answers.truth)
    return {
        "top_k": {str(k): estimates[f"top_k.{k}"] for k in protocol.k},
        **{name: estimates[name] for name in ("macro_auc", "macro_ap", "balanced_accuracy", "ece")},
        "reliability": reliability_table(answers.scores.max(axis=1), ranks == 1),
        "selective": {
            name: {
                "aurc": estimates[f"selective.{name}.aurc"],
                **_selective(uncertainty, ranks > 1, protocol, bootstrap),
            }
            for name, uncertainty in uncertainties(answers).items()
        },
        "conformal": _conformal(answers, bootstrap),
        "per_label": _per_label(answers, protocol, bootstrap),
        "per_source": _per_source(answers, protocol, bootstrap),
        "look_alikes": confusion_among_look_alikes(answers),
        "chance": _chance(answers, protocol),
    }


def _selective(
    uncertainty: NDArray[np.float64],
    wrong: NDArray[np.bool_],
    protocol: ZeroShotProtocol,
    bootstrap: GroupBootstrap,
) -> dict[str, Any]:
    def risk(coverage: float) -> Statistic:
        return lambda weights: selective_risk(uncertainty, wrong, coverage, weights)

    coverages, risks = (values[:, 0] for values in risk_coverage(uncertainty, wrong))
    chosen = np.unique(np.linspace(0, len(coverages) - 1, _CURVE_POINTS).round().astype(int))
    return {
        "risk_at": {f"{each:g}": estimate(risk(each), bootstrap) for each in protocol.coverages},
        "curve": {"coverage": coverages[chosen].tolist(), "risk": risks[chosen].tolist()},
    }


def _conformal(answers: Answers, bootstrap: GroupBootstrap) -> dict[str, Any]:
    if answers.sets is None:
        return {"coverage": None, "mean_size": None}
    ids = np.array(answers.ids)
    covered = np.array(
        [
            bool(set(ids[true].tolist()) & set(members))
            for true, members in zip(answers.truth, answers.sets, strict=True)
        ]
    )
    coverage = estimate_mean(covered, bootstrap)
    size = estimate_mean(np.array([len(members) for members in answers.sets]), bootstrap)
    return {
        "coverage": coverage["value"],
        "coverage_ci": coverage["ci"],
        "mean_size": size["value"],
        "mean_size_ci": size["ci"],
    }


def _per_label(
    answers: Answers, protocol: ZeroShotProtocol, bootstrap: GroupBootstrap
) -> list[dict[str, Any]]:
    tables = _top_k(label_ranks(answers.scores, answers.truth), answers.truth, protocol.k, bootstrap)
    rows = []
    for column, (label, name) in enumerate(zip(answers.ids, answers.names, strict=True)):
        mine = answers.truth[:, column]
        if not mine.any():
            continue
        auc = float(roc_auc(answers.scores[:, column], mine)[0])
        rows.append({"id": label, "label": name, **tables[column], "auc": auc if np.isfinite(auc) else None})
    return rows


def _per_source(
    answers: Answers, protocol: ZeroShotProtocol, bootstrap: GroupBootstrap
) -> list[dict[str, Any]]:
    sources = sorted({image.source for image in answers.images} - {""})
    if not sources:
        return []
    members = np.array([[image.source == source for source in sources] for image in answers.images])
    ranks = np.repeat(truth_ranks(answers.scores, answers.truth)[:, None], len(sources), axis=1)
    tables = _top_k(ranks, members, protocol.k, bootstrap)
    return [{"source": source, **table} for source, table in zip(sources, tables, strict=True)]


def _top_k(
    ranks: NDArray[np.int64], members: NDArray[np.bool_], k: Sequence[int], bootstrap: GroupBootstrap
) -> list[dict[str, Any]]:
    """Images, Top-k and its intervals for L subsets of the images, from ranks and members, (N, L).

    Where all images of a subset are right, or all wrong, every resample is alike: the interval is then
    Wilson's (1927) of as many draws as the subset has groups.
    """
    tables: list[dict[str, Any]] = [{"n": int(n)} for n in members.sum(axis=0)]
    for each in k:
        hits = (ranks <= each) & members

        def shares(weights: Floats, hits: NDArray[np.bool_] = hits) -> Floats:
            with np.errstate(invalid="ignore"):
                return np.asarray((hits.T.astype(float) @ weights) / (members.T.astype(float) @ weights))

        intervals = bootstrap.intervals(shares)
        for column, table in enumerate(tables):
            if table["n"]:
                share = table[f"top{each}"] = float(hits[:, column].sum() / table["n"])
                table[f"top{each}_ci"] = intervals[column] if intervals else None
                if share in (0, 1):
                    draws = bootstrap.groups_of(members[:, column])
                    ends = proportion_confint(share * draws, draws, 1 - LEVEL, "wilson")
                    table[f"top{each}_ci"] = [float(end) for end in ends]
    return tables


def _chance(answers: Answers, protocol: ZeroShotProtocol) -> dict[str, Any]:
    right, possible = answers.truth.sum(axis=1), np.full(len(answers.truth), answers.truth.shape[1])
    wrong_first = 1 - float(hit_chance(right, possible, 1).mean())
    mixed = [share for share in answers.truth.mean(axis=0).tolist() if 0 < share < 1]
    return {
        "top_k": {str(k): float(hit_chance(right, possible, k).mean()) for k in protocol.k},
        "macro_auc": 0.5,
        "macro_ap": float(np.mean(mixed)) if mixed else None,
        "balanced_accuracy": 1 / answers.truth.shape[1],
        "aurc": wrong_first,
        "always_the_most_frequent_label": float(answers.truth.mean(axis=0).max()),
    }
