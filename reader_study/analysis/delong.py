"""Areas under empirical ROC curves of markers on the same cases, compared after DeLong 1988 (as in pROC)."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reader_study.analysis.mrmc.comparison import ROUNDING, compared
from reader_study.analysis.mrmc.covariance import covariance
from reader_study.analysis.mrmc.outcomes import Floats, auc_kernels
from reader_study.analysis.mrmc.ratings import refuse_repeated_columns
from reader_study.errors import StudyError

LEVEL = 0.95
_NO_VARIANCE = "Not estimable: the variance estimate is zero."


@dataclass(frozen=True)
class Markers:
    """Scores (M, C) of M markers on C cases, and which cases are diseased (C,)."""

    names: tuple[str, ...]
    scores: Floats
    truth: NDArray[np.bool_]


def delong(markers: Markers) -> dict[str, Any]:
    """Each marker's area with its interval, and each pair's paired test.

    A marker along which disease goes with low scores has an area below one half; it is not turned around.

    Returns:
        ``auc`` by marker: ``{auc, se, ci}``, the interval cut at 0 and 1; ``pairs``: ``{marker_1, marker_2,
        difference, se, ci, statistic (z), p}``. Nulls have a ``reason``.

    Raises:
        StudyError: there are fewer than two diseased or two other cases.
    """
    if min(markers.truth.sum(), (~markers.truth).sum()) < 2:
        raise StudyError("DeLong's test needs two cases with and two without the disease.")
    kernels = auc_kernels(markers.scores[:, None, :], markers.truth)
    areas, full = kernels.means[:, 0], covariance(kernels, "delong")
    z = float(stats.norm.ppf(0.5 + LEVEL / 2))
    found: dict[str, Any] = {"auc": {}, "pairs": [], "method": "DeLong 1988, two-sided, paired"}
    for name, area, variance in zip(markers.names, areas.tolist(), np.diag(full).tolist(), strict=True):
        if variance <= ROUNDING:
            found["auc"][name] = {"auc": area, "se": None, "ci": None, "reason": _NO_VARIANCE}
            continue
        se = math.sqrt(variance)
        found["auc"][name] = {"auc": area, "se": se, "ci": [max(area - z * se, 0.0), min(area + z * se, 1.0)]}
    for a, b in combinations(range(len(areas)), 2):
        variance = float(full[a, a] + full[b, b] - 2 * full[a, b])
        test = compared(float(areas[a] - areas[b]), variance, math.inf).to_json()
        names = {"marker_1": markers.names[a], "marker_2": markers.names[b]}
        found["pairs"].append(names | {k: v for k, v in test.items() if k != "df"})
    found["cases"] = {"diseased": int(markers.truth.sum()), "other": int((~markers.truth).sum())}
    return found


def read_markers(path: Path, truth: str, diseased: str, names: Sequence[str] = ()) -> Markers:
    """Read a wide table: one row a case, a column for the truth, a column for each marker.

    Args:
        path: CSV file.
        truth: Column of the truth.
        diseased: The text there that means diseased.
        names: Columns of the markers; every other column when empty.

    Raises:
        StudyError: a column, a truth or a score is wrong; the sentence names the row.
    """
    header, rows = _table(path)
    wanted = tuple(names) or tuple(name for name in header if name != truth)
    if missing := [name for name in (truth, *wanted) if name not in header]:
        raise StudyError(f"{path.name} has no column {', '.join(missing)}.")
    if not wanted:
        raise StudyError(f"{path.name} has no column beside {truth}.")
    if not any(row[truth] == diseased for row in rows):
        raise StudyError(f"No row of {path.name} has {truth} {diseased!r}.")
    scores = np.array([[_score(path, n, row, name) for n, row in enumerate(rows, 2)] for name in wanted])
    return Markers(wanted, scores, np.array([row[truth] == diseased for row in rows]))


def _table(path: Path) -> tuple[list[str], list[Mapping[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            header = list(reader.fieldnames or ())
            refuse_repeated_columns(path, header)
            rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}.") from error
    except (csv.Error, UnicodeDecodeError):
        raise StudyError(f"{path} is not a CSV file in UTF-8.") from None
    return header, list(rows)


def _score(path: Path, number: int, row: Mapping[str, str], name: str) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise StudyError(
            f"{path.name}, row {number}: {name} is {row[name]!r}, it must be a number; a paired test needs "
            "every marker of every case."
        )
    return value
