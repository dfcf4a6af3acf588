"""The four CSV files of a reader study, from us or from elsewhere, read into the table that is analysed."""

import csv
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from reader_study.analysis.mrmc.ratings import refuse_repeated_columns
from reader_study.analysis.table import AnalysedCase, AnalysedReader, ModelAnswer, Read, StudyTable
from reader_study.errors import StudyError
from reader_study.scoring import catalogue_match, hit_rank, name_or_id
from retizero.knowledge import AcceptanceRule, load_catalogue

Row = Mapping[str, str]
LARGEST_LEVEL = 1_000  # of confidence, and of periods
_RARE, _COMMON = {"1", "true", "yes"}, {"0", "false", "no", ""}


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

    _refuse(
        cases,
        [n for n, row in enumerate(case_rows, 2) if row.get("rare", "").lower() not in _RARE | _COMMON],
        "have something else than 0 or 1 in the column rare",
    )

    reader_rows = _rows(readers, ("reader_id",))
    people = tuple(
        AnalysedReader(
            row["reader_id"],
            row.get("site", ""),
            int(_number(readers, number, row["years"], least=0)) if row.get("years") else None,
            row.get("arm_first", ""),
            row["reader_id"].startswith("SIM-"),
            row.get("specialty", ""),
        )
        for number, row in enumerate(reader_rows, 2)
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
    _refuse(reads, [n for n, row in enumerate(read_rows, 2) if not row["arm"]], "have no arm")
    _refuse(
        reads,
        [n for n, row in enumerate(read_rows, 2) if _has_gap([row[f"rank{r}"] for r in range(1, k + 1)])],
        "leave a rank empty before one that is given",
    )
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
                period=_whole(reads, number, row.get("period", "") or "1"),
                ranks=ranks,
                hit=hit_rank(ranks, truth[row["case_id"]], matches, truths),
                confidence=_whole(reads, number, row["confidence"]) if row.get("confidence") else None,
                seconds=_number(reads, number, row["seconds"], least=0) if row.get("seconds") else None,
            )
        )
    _refuse(reads, twice, "repeat a reading (same reader, case, arm and period)")
    places = len(truth) * len({read.period for read in scored})
    return StudyTable(
        study={"name": cases.stem, "rule": rule, "truths": truths, "synthetic": False},
        k=k,
        cases=tuple(
            AnalysedCase(row["case_id"], truth[row["case_id"]], row.get("rare", "").lower() in _RARE)
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
        (canonical(row[f"rank{rank}"]), _score(path, number, row.get(f"score{rank}", ""))) for rank in ranks
    ]


def _score(path: Path, number: int, text: str) -> float:
    return _number(path, number, text) if text else math.nan


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


def _has_gap(ranks: list[str]) -> bool:
    given = [bool(rank) for rank in ranks]
    return given != sorted(given, reverse=True)


def _number(path: Path, row: int, text: str, *, least: float = -math.inf) -> float:
    try:
        value = float(text)
    except ValueError:
        raise StudyError(f"{path.name}, row {row}: {text!r} is not a number.") from None
    if not math.isfinite(value):
        raise StudyError(f"{path.name}, row {row}: {text!r} is not a finite number.")
    if value < least:
        raise StudyError(f"{path.name}, row {row}: {text!r} is below {least:g}.")
    return value


def _whole(path: Path, row: int, text: str) -> int:
    value = _number(path, row, text, least=0)
    if value != int(value) or value > LARGEST_LEVEL:
        raise StudyError(f"{path.name}, row {row}: {text!r} is not a whole number up to {LARGEST_LEVEL}.")
    return int(value)


def _rows(path: Path, required: tuple[str, ...]) -> list[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            refuse_repeated_columns(path, reader.fieldnames or ())
            missing = [name for name in required if name not in (reader.fieldnames or ())]
            if missing:
                raise StudyError(f"{path.name} lacks the columns {', '.join(missing)}.")
            rows = [{name: (value or "").strip() for name, value in row.items() if name} for row in reader]
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}.") from error
    except (csv.Error, UnicodeDecodeError):
        raise StudyError(f"{path} is not a CSV file in UTF-8.") from None
    for name in (name for name in required if name.endswith("_id")):
        _refuse(path, [number for number, row in enumerate(rows, 2) if not row[name]], f"have no {name}")
    return list(rows)


def _refuse(path: Path, rows: list[int], why: str) -> None:
    if rows:
        shown = ", ".join(map(str, rows[:20])) + (" ..." if len(rows) > 20 else "")
        raise StudyError(f"{path.name}: rows {shown} {why}.")
