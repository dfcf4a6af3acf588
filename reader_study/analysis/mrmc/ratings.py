"""The ratings file of ``mrmc``: one row a reading, columns reader, treatment, case, truth, rating."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reader_study.analysis.mrmc.outcomes import Floats
from reader_study.errors import StudyError

COLUMNS = ("reader", "treatment", "case", "truth", "rating")
_TRUTHS = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True)
class Ratings:
    """Ratings (T, R, C), NaN where a reader did not read a case in a treatment; truth (C,)."""

    values: Floats
    truth: NDArray[np.bool_]
    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every reader read every case in every treatment."""
        return not bool(np.isnan(self.values).any())

    def of_readers(self, readers: tuple[str, ...]) -> Ratings:
        """Keep some readers, and the treatments that they read in."""
        rows = [self.readers.index(reader) for reader in readers]
        values = self.values[:, rows]
        used = [not np.isnan(readings).all() for readings in values]
        names = tuple(name for name, keep in zip(self.treatments, used, strict=True) if keep)
        return Ratings(values[used], self.truth, names, readers, self.cases)


def read_ratings(path: Path) -> Ratings:
    """Read a ratings file; names keep the order in which numbers or letters sort.

    Raises:
        StudyError: a column, truth or rating is wrong, or a reading comes twice; the sentence names the row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            refuse_repeated_columns(path, reader.fieldnames or ())
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise StudyError(f"{path.name} has no column {', '.join(missing)}.")
            rows = [{column: (row[column] or "").strip() for column in COLUMNS} for row in reader]
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error):
        raise StudyError(f"{path} is not a CSV file in UTF-8.") from None
    if not rows:
        raise StudyError(f"{path.name} has no readings.")
    for number, row in enumerate(rows, start=2):
        if empty := [name for name in ("reader", "treatment", "case") if not row[name]]:
            raise StudyError(f"{path.name}, row {number} has no {empty[0]}.")
    names = {column: _sorted({row[column] for row in rows}) for column in ("treatment", "reader", "case")}
    place = {column: {name: i for i, name in enumerate(found)} for column, found in names.items()}
    values = np.full((len(names["treatment"]), len(names["reader"]), len(names["case"])), np.nan)
    truth: dict[str, bool] = {}
    for number, row in enumerate(rows, start=2):
        rating, diseased = _rating(row["rating"]), _TRUTHS.get(row["truth"].lower().removesuffix(".0"))
        if rating is None or diseased is None:
            column = "rating" if rating is None else "truth"
            wanted = "a number or empty" if rating is None else "0 or 1"
            raise StudyError(f"{path.name}, row {number}: {column} is {row[column]!r}, it must be {wanted}.")
        if truth.setdefault(row["case"], diseased) != diseased:
            raise StudyError(f"{path.name}, row {number}: case {row['case']} has another truth than before.")
        cell = tuple(place[column][row[column]] for column in ("treatment", "reader", "case"))
        if not np.isnan(values[cell]):
            raise StudyError(
                f"{path.name}, row {number}: reader {row['reader']} rates case {row['case']} "
                f"twice in treatment {row['treatment']}."
            )
        values[cell] = rating
    cases = names["case"]
    return Ratings(
        values, np.array([truth[case] for case in cases]), names["treatment"], names["reader"], cases
    )


def refuse_repeated_columns(path: Path, names: Sequence[str]) -> None:
    """Refuse a header that names a column twice: nobody could say which one counts.

    Raises:
        StudyError: a name comes twice.
    """
    if twice := [name for name in dict.fromkeys(names) if list(names).count(name) > 1]:
        raise StudyError(f"{path.name} has the column {twice[0]!r} twice.")


def _rating(text: str) -> float | None:
    """A finite number, NaN for an empty cell, None for anything else."""
    if text in ("", "NA"):
        return math.nan
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _sorted(names: set[str]) -> tuple[str, ...]:
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))
