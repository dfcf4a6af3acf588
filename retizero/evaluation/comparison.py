"""Two models on the same images: paired differences with intervals, and McNemar's test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from retizero.evaluation.answers import Answers, ImageRef
from retizero.evaluation.bootstrap import RESAMPLES, GroupBootstrap
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.measures import headline_statistics
from retizero.evaluation.metrics import mean, truth_ranks
from retizero.evaluation.protocols import ZeroShotProtocol
from retizero.evaluation.tables import kind_of, parts_of

Floats = NDArray[np.floating[Any]]
Statistic = Callable[[Floats | None], Floats]


def compare_results(
    first: Mapping[str, Any], second: Mapping[str, Any], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Compare two results of the same task, first minus second.

    Args:
        first: Result of ``evaluate_zero_shot`` or ``evaluate_retrieval``.
        second: Another model's result on the same images; the order of images does not matter.
        seed: Seed of the bootstrap; both models see the same resamples of the same groups.
        resamples: Of the bootstrap.

    Returns:
        ``differences``: measure -> first, second, value, 95 % interval and p; ``mcnemar``: measure -> images
        that only one of the two gets right, and the exact two-sided p. Plain values for JSON.

    Raises:
        EvaluationError: Different tasks, images, truth, candidates or protocols.
    """
    tasks = {kind_of(first), kind_of(second)}
    if tasks == {"zero_shot"}:
        return _compare_zero_shot(first, second, seed, resamples)
    if tasks == {"retrieval"}:
        return _compare_retrieval(first, second, seed, resamples)
    raise EvaluationError("Compare two zero-shot results, or two retrieval results.")


def bootstrap_p(differences: Floats) -> float:
    """Two-sided p that a difference is zero: twice the smaller share of resamples on one side of zero.

    Counted with one more on each side, so that it is never zero (Davison & Hinkley 1997, section 4.2).

    >>> bootstrap_p(np.array([0.1, 0.2, -0.1, 0.3]))
    0.8
    """
    defined = differences[np.isfinite(differences)]
    side = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (side + 1) / (len(defined) + 1)))


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    """McNemar's exact test of two (N,) rights and wrongs; images count as independent.

    >>> mcnemar(np.array([True] * 6), np.array([False] * 6))
    {'only_first': 6, 'only_second': 0, 'p': 0.03125}
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    p = float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0
    return {"only_first": only_first, "only_second": only_second, "p": p}


def _compare_zero_shot(
    first: Mapping[str, Any], second: Mapping[str, Any], seed: int, resamples: int
) -> dict[str, Any]:
    left, right = Answers.from_report(first), Answers.from_report(second)
    if set(left.ids) != set(right.ids):
        raise EvaluationError(
            f"The results have different candidates ({first['protocol']['label_set']['name']!r} and "
            f"{second['protocol']['label_set']['name']!r}); measure both models with the same --labels."
        )
    order = _same_images(left.images, right.images)
    columns = [right.ids.index(id) for id in left.ids]
    right = Answers(
        images=left.images,
        ids=left.ids,
        names=left.names,
        scores=right.scores[order][:, columns],
        truth=right.truth[order][:, columns],
        primary=np.array([columns.index(column) for column in right.primary[order].tolist()]),
        uncertainty=None if right.uncertainty is None else right.uncertainty[order],
        sets=None,
        coverage=None,
    )
    if not (left.truth == right.truth).all() or not (left.primary == right.primary).all():
        raise EvaluationError("The results disagree about what is true of an image; use one manifest.")
    protocol = ZeroShotProtocol(k=_common_k(first["top_k"], second["top_k"]))
    statistics = [headline_statistics(each, protocol) for each in (left, right)]
    ranks = [truth_ranks(each.scores, each.truth) for each in (left, right)]
    tests = {f"top_k.{k}": mcnemar(ranks[0] <= k, ranks[1] <= k) for k in protocol.k}
    bootstrap = GroupBootstrap(left.groups, resamples, seed)
    return _report(first, second, statistics, tests, bootstrap, left.images)


def _compare_retrieval(
    first: Mapping[str, Any], second: Mapping[str, Any], seed: int, resamples: int
) -> dict[str, Any]:
    parts = parts_of(first), parts_of(second)
    names = [name for name in parts[0] if name in parts[1]]
    statistics: list[dict[str, Statistic]] = [{}, {}]
    tests: dict[str, Any] = {}
    images: tuple[ImageRef, ...] = ()
    for name in names:
        sides = parts[0][name], parts[1][name]
        if {**sides[0]["protocol"]["settings"], "title": ""} != {
            **sides[1]["protocol"]["settings"],
            "title": "",
        }:
            raise EvaluationError(f"The two results mean different things by the protocol {name!r}.")
        if sides[0]["protocol"]["gallery"] != sides[1]["protocol"]["gallery"] or (
            sides[0]["n_gallery"] != sides[1]["n_gallery"]
        ):
            raise EvaluationError("The results searched different galleries; search the same one with both.")
        found = [tuple(map(ImageRef.from_dict, side["images"])) for side in sides]
        order = _same_images(found[0], found[1])
        images = found[0]
        rows = sides[0]["images"], [sides[1]["images"][place] for place in order]
        if any(left["truth"] != right["truth"] for left, right in zip(*rows, strict=True)):
            raise EvaluationError("The results disagree about what is true of an image; use one manifest.")
        first_k = [np.array([row["first"] for row in side], bool) for side in rows]
        for k in _common_k(sides[0]["hit_at"], sides[1]["hit_at"]):
            hits = [np.asarray(relevant[:, :k].any(axis=1)) for relevant in first_k]
            tests[f"hit_at.{k}.{name}"] = mcnemar(hits[0], hits[1])
            for place in range(2):
                statistics[place][f"hit_at.{k}.{name}"] = _mean_of(hits[place])
                statistics[place][f"precision_at.{k}.{name}"] = _mean_of(
                    first_k[place][:, :k].sum(axis=1) / k
                )
        for place in range(2):
            precisions = np.array([row["average_precision"] for row in rows[place]])
            statistics[place][f"map.{name}"] = _mean_of(precisions)
    if not names:
        raise EvaluationError("The two results have no protocol in common.")
    bootstrap = GroupBootstrap([image.group for image in images], resamples, seed)
    return _report(first, second, statistics, tests, bootstrap, images)


def _mean_of(values: NDArray[Any]) -> Statistic:
    return lambda weights: mean(np.asarray(values, np.float64), weights)


def _common_k(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(k) for k in first if k in second)


def _same_images(first: Sequence[ImageRef], second: Sequence[ImageRef]) -> list[int]:
    """Where each image of the first result stands in the second."""
    place = {image.key: number for number, image in enumerate(second)}
    if set(place) != {image.key for image in first} or len(first) != len(second):
        alone = sum(image.key not in place for image in first)
        raise EvaluationError(
            f"The results are of different images ({len(first)} and {len(second)}, of the first {alone} are "
            "not in the second); measure both models on the same manifest."
        )
    order = [place[image.key] for image in first]
    if any(image.group != second[number].group for image, number in zip(first, order, strict=True)):
        raise EvaluationError("The results put the same images into different groups; use one manifest.")
    return order


def _report(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    statistics: Sequence[Mapping[str, Statistic]],
    tests: Mapping[str, Any],
    bootstrap: GroupBootstrap,
    images: Sequence[ImageRef],
) -> dict[str, Any]:
    common = [name for name in statistics[0] if name in statistics[1]]
    return {
        "n": len(images),
        "differences": {
            name: _difference(statistics[0][name], statistics[1][name], bootstrap) for name in common
        },
        "mcnemar": dict(tests),
        "models": {"first": first["model"], "second": second["model"]},
        "protocol": {
            "task": f"comparison: {first['protocol']['task']}",
            "difference": "first minus second, on the same images",
            "intervals": f"{bootstrap.describe()}, the same draws for both models",
            "p": "two-sided, share of resamples on the other side of zero",
            "mcnemar": "exact two-sided binomial test; images count as independent, so patients with several "
            "images make it too sure: the bootstrap over groups does not",
            "groups": bootstrap.n_groups,
            "problems": [],
        },
    }


def _difference(first: Statistic, second: Statistic, bootstrap: GroupBootstrap) -> dict[str, Any]:
    values = [float(first(None)[0]), float(second(None)[0])]
    defined = [value if np.isfinite(value) else None for value in values]
    row: dict[str, Any] = {"first": defined[0], "second": defined[1], "value": None, "ci": None, "p": None}
    if None in defined:
        return row
    row["value"] = values[0] - values[1]
    if bootstrap.n_groups > 1:
        drawn = bootstrap.distribution(lambda weights: (first(weights) - second(weights))[None])[0]
        row["ci"] = bootstrap.percentiles(drawn)
        row["p"] = bootstrap_p(drawn)
    return row
