"""The four CSV files of a reader study, from us or from elsewhere, read into the table that is analysed."""

import csv
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from reader_study.analysis.table import AnalysedCase, AnalysedReader, ModelAnswer, Read, StudyTable
from reader_study.errors import StudyError
from reader_study.scoring import catalogue_match, hit_rank, name_or_id
from retizero.knowledge import AcceptanceRule, load_catalogue

Row = Mapping[str, str]


def read_tables(
    cases: Path,
    readers: Path,
    reads: Path,
    model: Path | None = None,
    *,
    rule: AcceptanceRule = "same",
    truths: str = "any",
) -> StudyTable:
    """Read and score a study; diagnoses match through the catalogue, or as the same text where it has none.

    Raises:
        StudyError: a file, column, id or number is wrong; the sentence names file and rows.
    """
    canonical = _canonical()
    matches = catalogue_match(load_catalogue(), rule)
    case_rows = _rows(cases, ("case_id", "truth"))
    truth = {row["case_id"]: tuple(canonical(name) for name in _parts(row["truth"])) for row in case_rows}
    if len(truth) < len(case_rows):
        raise StudyError(f"{cases.name} names a case_id twice.")
    _refuse(
        cases,
        [number for number, row in enumerate(case_rows, 2) if not truth[row["case_id"]]],
        "have no truth",
    )

    reader_rows = _rows(readers, ("reader_id",))
    people = tuple(
        AnalysedReader(
            row["reader_id"],
            row.get("site", ""),
            int(row["years"]) if row.get("years", "").isdecimal() else None,
            row.get("arm_first", ""),
            row["reader_id"].startswith("SIM-"),
        )
        for row in reader_rows
    )
    names = {person.reader_id for person in people}
    if len(names) < len(people):
        raise StudyError(f"{readers.name} names a reader_id twice.")

    read_rows = _rows(reads, ("reader_id", "case_id", "arm", "rank1"))
    _refuse(
        reads,
        [
            n
            for n, row in enumerate(read_rows, 2)
            if row["case_id"] not in truth or row["reader_id"] not in names
        ],
        "name a case or reader that the other files do not have",
    )
    k = _ranks_of(read_rows[0]) if read_rows else 1
    scored = []
    seen: set[tuple[str, ...]] = set()
    twice = []
    for number, row in enumerate(read_rows, 2):
        key = (row["reader_id"], row["case_id"], row["arm"], row.get("period", "1"))
        if key in seen:
            twice.append(number)
        seen.add(key)
        ranks = tuple(canonical(row[f"rank{rank}"]) for rank in range(1, k + 1) if row[f"rank{rank}"])
        scored.append(
            Read(
                reader_id=row["reader_id"],
                case_id=row["case_id"],
                arm=row["arm"],
                period=int(_number(reads, number, row.get("period", "") or "1")),
                ranks=ranks,
                hit=hit_rank(ranks, truth[row["case_id"]], matches, truths),
                confidence=int(_number(reads, number, row["confidence"])) if row.get("confidence") else None,
                seconds=_number(reads, number, row["seconds"]) if row.get("seconds") else None,
            )
        )
    _refuse(reads, twice, "repeat a reading (same reader, case, arm and period)")
    places = len(truth) * len({read.period for read in scored})
    return StudyTable(
        study={"name": cases.stem, "rule": rule, "truths": truths, "synthetic": False},
        k=k,
        cases=tuple(
            AnalysedCase(row["case_id"], truth[row["case_id"]], row.get("rare", "") in ("1", "true", "yes"))
            for row in case_rows
        ),
        readers=people,
        reads=tuple(scored),
        model=_model(model, truth, canonical, lambda ids, of: hit_rank(ids, of, matches, truths))
        if model
        else (),
        model_identity=None,
        expected=dict.fromkeys(sorted(names), places),
    )


def read_predictions(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Read model.csv (case_id, rank1..rankK, score1..scoreK) for freezing; diagnoses become catalogue ids.

    Raises:
        StudyError: the file or a number in it is wrong.
    """
    canonical = _canonical()
    rows = _rows(path, ("case_id", "rank1", "score1"))
    return {row["case_id"]: _ranked(path, number, row, canonical) for number, row in enumerate(rows, 2)}


def _model(
    path: Path,
    truth: Mapping[str, tuple[str, ...]],
    canonical: Callable[[str], str],
    score: Callable[[tuple[str, ...], tuple[str, ...]], int],
) -> tuple[ModelAnswer, ...]:
    rows = _rows(path, ("case_id", "rank1"))
    _refuse(
        path, [n for n, row in enumerate(rows, 2) if row["case_id"] not in truth], "name no case of the study"
    )
    if len({row["case_id"] for row in rows}) < len(rows):
        raise StudyError(f"{path.name} names a case_id twice.")
    answers = []
    for number, row in enumerate(rows, 2):
        ranked = _ranked(path, number, row, canonical)
        ids = tuple(diagnosis for diagnosis, _ in ranked)
        scores = tuple(value for _, value in ranked)
        answers.append(ModelAnswer(row["case_id"], ids, scores, score(ids, truth[row["case_id"]])))
    return tuple(answers)


def _ranked(path: Path, number: int, row: Row, canonical: Callable[[str], str]) -> list[tuple[str, float]]:
    ranks = [rank for rank in range(1, _ranks_of(row) + 1) if row[f"rank{rank}"]]
    return [
        (canonical(row[f"rank{rank}"]), _number(path, number, row.get(f"score{rank}", "") or "nan"))
        for rank in ranks
    ]


def _canonical() -> Callable[[str], str]:
    catalogue = load_catalogue()

    @cache
    def canonical(name: str) -> str:
        return name_or_id(catalogue, name) or name.casefold()

    return canonical


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _ranks_of(row: Row) -> int:
    k = 0
    while f"rank{k + 1}" in row:
        k += 1
    return k


def _number(path: Path, row: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise StudyError(f"{path.name}, row {row}: {text!r} is not a number.") from None
    if math.isinf(value) or (math.isnan(value) and text != "nan"):
        raise StudyError(f"{path.name}, row {row}: {text!r} is not a finite number.")
    return value


def _rows(path: Path, required: tuple[str, ...]) -> list[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = [name for name in required if name not in (reader.fieldnames or ())]
            if missing:
                raise StudyError(f"{path.name} lacks the columns {', '.join(missing)}.")
            return [{name: (value or "").strip() for name, value in row.items() if name} for row in reader]
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}.") from error
    except (csv.Error, UnicodeDecodeError):
        raise StudyError(f"{path} is not a CSV file in UTF-8.") from None


def _refuse(path: Path, rows: list[int], why: str) -> None:
    if rows:
        shown = ", ".join(map(str, rows[:20])) + (" ..." if len(rows) > 20 else "")
        raise StudyError(f"{path.name}: rows {shown} {why}.")
