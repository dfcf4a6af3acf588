"""Classifiers trained on some sources and tested on the same or on others: one row each, one table of all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.evaluation.answers import Answers
from retizero.evaluation.bootstrap import GroupBootstrap
from retizero.evaluation.documents import markdown_table
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.grades import SCALES, graded, quadratic_kappa
from retizero.evaluation.measures import first_is_primary
from retizero.evaluation.metrics import balanced_accuracy, mean, truth_ranks
from retizero.evaluation.score_curves import macro_auc
from retizero.evaluation.tables import Table, interval, number

Floats = NDArray[np.floating[Any]]
Statistic = Callable[[Floats | None], Floats]

TOP_K = (1, 3, 5)
FACTS = (
    "domain", "train_sources", "test_sources", "model", "features", "method", "shots", "seeds", "labels",
    "n_train", "n_test", "n_groups",
)  # fmt: skip
LEFT_OUT = "test_rows_without_candidate"  # at the end of a table: what its numbers do not count
MEASURES = (
    *(f"top{k}" for k in TOP_K), "macro_auc", "balanced_accuracy", *(f"kappa_{scale}" for scale in SCALES),
)  # fmt: skip


def statistics_of(answers: Answers) -> dict[str, Statistic]:
    """The measures of the table as functions of bootstrap weights (N, R) -> (R,).

    Top-k counts any true label; balanced accuracy asks for the primary one; AUC is one label against the
    rest, averaged; kappa is there where some images have a grade of its scale.
    """
    ranks = truth_ranks(answers.scores, answers.truth)
    right, primary = first_is_primary(answers), answers.primary
    found: dict[str, Statistic] = {f"top{k}": _mean_of(ranks <= k) for k in TOP_K}
    found["macro_auc"] = lambda weights: macro_auc(answers.scores, answers.truth, weights)
    found["balanced_accuracy"] = lambda weights: balanced_accuracy(right, primary, weights)
    for scale, grades in SCALES.items():
        has, truth, answered = graded(answers, grades)
        if len(np.unique(truth)) > 1:
            found[f"kappa_{scale}"] = _kappa_of(has, truth, answered)
    return found


def transfer_row(
    facts: Mapping[str, Any], runs: Sequence[Answers], resamples: int, seed: int = 0
) -> dict[str, Any]:
    """Measure one classifier, or the same made from several draws of its training photographs.

    Args:
        facts: The entries of ``FACTS`` that the caller knows; more are kept in JSON.
        runs: Answers to the same test images, one for each draw.
        resamples: Of the bootstrap over groups.
        seed: Of the bootstrap.

    Returns:
        The facts and, under ``measures``, each measure's mean over the draws, its interval over resampled
        groups of test images, and its standard deviation over the draws; null where there is none.
    """
    first = runs[0]
    bootstrap = GroupBootstrap(first.groups, resamples, seed)
    each = [statistics_of(answers) for answers in runs]
    measures = {name: _estimate([found[name] for found in each], bootstrap) for name in each[0]}
    absent = {"value": None, "ci": None, "sd_over_draws": None}
    return {
        **facts,
        "n_test": len(first.images),
        "n_groups": bootstrap.n_groups,
        "labels": len(first.ids),
        "measures": {name: measures.get(name, absent) for name in MEASURES},
        "intervals": bootstrap.describe(),
    }


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as CSV: facts, then value, low, high and deviation of each measure, where there is one.

    The last column counts the test rows that were left out, as none of their labels was trained.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    bounds = [(name, f"{name}_low", f"{name}_high", f"{name}_sd") for name in MEASURES]
    writer.writerow([*FACTS, *(column for group in bounds for column in group), LEFT_OUT])
    for row in rows:
        cells: list[object] = [row.get(fact, "") for fact in FACTS]
        for name in MEASURES:
            measure = row["measures"][name]
            low, high = measure["ci"] or ("", "")
            cells += [_cell(measure["value"]), _cell(low), _cell(high), _cell(measure["sd_over_draws"])]
        writer.writerow([*cells, row.get(LEFT_OUT, "")])
    return out.getvalue()


def to_markdown(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """The table as Markdown, intervals beside the values."""
    shown = [name for name in MEASURES if any(row["measures"][name]["value"] is not None for row in rows)]
    facts = ("domain", "model", "method", "shots", "n train", "n test", "labels")
    header = (*facts, *map(_spoken, shown), "test rows left out")
    lines = tuple(
        (
            *(str(row.get(fact, "")) for fact in ("domain", "model", "method", "shots", "n_train")),
            str(row["n_test"]),
            str(row["labels"]),
            *(_shown(row["measures"][name]) for name in shown),
            str(row.get(LEFT_OUT, "-")),
        )
        for row in rows
    )
    table = Table(title, header, lines, tuple(range(4, len(header))))
    notes = sorted({row["intervals"] for row in rows})
    return (
        f"# {title}\n\n{markdown_table(table)}\n\n"
        "Values with 95 % intervals over resampled groups (patients) of test images; several draws of few "
        "training photographs are averaged. Top-k: any true label. Balanced accuracy: primary label. AUC: "
        "one label against the rest, averaged. Kappa: quadratic weights, most probable grade. Test rows of "
        "which no label was trained are left out of every number.\n\n"
        + "".join(f"- {note}\n" for note in notes)
    )


def merged(documents: Sequence[object]) -> list[dict[str, Any]]:
    """The rows of several result files, in their order.

    Raises:
        EvaluationError: One of them is no such result.
    """
    rows: list[dict[str, Any]] = []
    for document in documents:
        found = document.get("rows") if isinstance(document, Mapping) else None
        if not isinstance(found, list) or not all(is_transfer_row(row) for row in found):
            raise EvaluationError("This is not a result of retizero train probe or finetune.")
        rows += found
    return rows


def is_transfer_row(row: object) -> bool:
    """Whether a value read from a file is a row as ``transfer_row`` makes them."""
    if not isinstance(row, Mapping) or not isinstance(row.get("intervals"), str):
        return False
    measures = row.get("measures")
    counted = all(isinstance(row.get(name), int) for name in ("n_test", "labels"))
    return counted and isinstance(measures, Mapping) and all(_is_measure(measures.get(m)) for m in MEASURES)


def _is_measure(measure: object) -> bool:
    if not isinstance(measure, Mapping) or not {"value", "ci", "sd_over_draws"} <= measure.keys():
        return False
    value, ends, spread = measure["value"], measure["ci"], measure["sd_over_draws"]
    if ends is not None and not (isinstance(ends, list) and [type(end) for end in ends] == [float, float]):
        return False
    return all(each is None or isinstance(each, float) for each in (value, spread))


def _estimate(statistics: Sequence[Statistic], bootstrap: GroupBootstrap) -> dict[str, Any]:
    values = np.array([float(statistic(None)[0]) for statistic in statistics])
    if not np.isfinite(values).all():
        return {"value": None, "ci": None, "sd_over_draws": None}

    def averaged(weights: Floats) -> Floats:
        return np.asarray(np.mean([statistic(weights) for statistic in statistics], axis=0))

    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"value": float(values.mean()), "ci": bootstrap.interval(averaged), "sd_over_draws": spread}


def _mean_of(hits: NDArray[np.bool_]) -> Statistic:
    return lambda weights: mean(hits.astype(np.float64), weights)


def _kappa_of(has: NDArray[np.bool_], truth: NDArray[np.int64], answered: NDArray[np.int64]) -> Statistic:
    return lambda weights: quadratic_kappa(truth, answered, None if weights is None else weights[has])


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else ""


def _shown(measure: Mapping[str, Any]) -> str:
    return "-" if measure["value"] is None else f"{number(measure['value'])} [{interval(measure['ci'])}]"


def _spoken(name: str) -> str:
    return {"macro_auc": "AUC", "balanced_accuracy": "balanced accuracy"}.get(
        name, name.replace("top", "Top-").replace("kappa_", "kappa, ").replace("_", " ")
    )
