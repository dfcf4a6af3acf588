"""Files in and out: tidy CSV that any statistics program reads, with what each column means."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from reader_study import audit
from reader_study.analysis.table import StudyTable
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import NotAllowed, StudyError
from reader_study.programs import MRMCAOV_COLUMNS, mrmcaov_rows, outcomes, write_programs
from reader_study.protocol import config_of
from reader_study.record_tables import DICTIONARY as RECORDS
from reader_study.record_tables import record_tables
from reader_study.records import AuditRecord, CaseRecord
from reader_study.results import AFTER_LOCK, why_closed
from reader_study.roles import require_role
from reader_study.studies import study_named
from reader_study.tabulate import study_table

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
DICTIONARY = (
    ("cases.csv", "case_id", "the case; practice cases are left out"),
    ("cases.csv", "truth", "reference standard: catalogue ids, the primary one first, parted by ;"),
    ("cases.csv", "rare", "1 for a rare disease, 0 otherwise"),
    ("readers.csv", "reader_id", "pseudonym of the reader; SIM-... is a simulated reader"),
    ("readers.csv", "site", "code of the reader's site"),
    ("readers.csv", "years", "years of experience, empty where not told"),
    ("readers.csv", "arm_first", "arm of the reader's first period"),
    ("reads.csv", "reader_id", "who read"),
    ("reads.csv", "case_id", "what was read"),
    ("reads.csv", "arm", "unaided, or aided by the model"),
    ("reads.csv", "period", "number of the period, from 1"),
    (
        "reads.csv",
        "rank1..rankK",
        "ranked differential: catalogue ids, or free text without adjudication; empty = none",
    ),
    ("reads.csv", "confidence", "from 1 to the highest level of the protocol"),
    (
        "reads.csv",
        "seconds",
        "time in front of the reader by the server's clock, hidden and idle time taken out",
    ),
    ("model.csv", "case_id", "the case"),
    (
        "model.csv",
        "rank1..rankK",
        "the model's ranked answer, frozen before the first reading: catalogue ids",
    ),
    ("model.csv", "score1..scoreK", "the model's score of each rank"),
    ("mrmcaov.csv", "reader, treatment, case", "who read what in which arm"),
    ("mrmcaov.csv", "truth", "1: every case has a disease to be named"),
    ("mrmcaov.csv", "rating", "1 where the first diagnosis is right, 0 where not"),
    ("study.imrmc", "", "the same for iMRMC, with one added case that everybody rates 0.5"),
    ("rjafroc.xlsx", "", "the same for RJafroc (format JAFROC, newExcelFileFormat = TRUE)"),
    (
        "audit.csv",
        "id, at, actor_id, action, subject, details",
        "who did what to what and when (UTC), as JSON",
    ),
    ("audit.csv", "previous_hash, hash", "the SHA-256 chain; `python -m reader_study verify` checks it"),
    *RECORDS,
)


def safe_cell(value: object) -> object:
    """A text that no spreadsheet takes for a formula (OWASP: CSV injection); numbers stay as they are.

    >>> safe_cell("=1+1")
    "'=1+1"
    """
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV file, all of it or nothing."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if cell is None else safe_cell(cell) for cell in row] for row in rows])
    return part.replace(path)


def write_tables(table: StudyTable, directory: Path) -> tuple[Path, ...]:
    """Write cases.csv, readers.csv, reads.csv and model.csv."""
    ranks = [f"rank{rank}" for rank in range(1, table.k + 1)]
    scores = [f"score{rank}" for rank in range(1, table.k + 1)]

    def padded(cells: Sequence[object]) -> list[object]:
        return [*cells, *[None] * (table.k - len(cells))]

    return (
        write_rows(
            directory / "cases.csv",
            ("case_id", "truth", "rare"),
            [(case.case_id, ";".join(case.truths), int(case.rare)) for case in table.cases],
        ),
        write_rows(
            directory / "readers.csv",
            ("reader_id", "site", "years", "arm_first"),
            [(reader.reader_id, reader.site, reader.years, reader.arm_first) for reader in table.readers],
        ),
        write_rows(
            directory / "reads.csv",
            ("reader_id", "case_id", "arm", "period", *ranks, "confidence", "seconds"),
            [
                (
                    *(read.reader_id, read.case_id, read.arm, read.period),
                    *padded(read.ranks),
                    read.confidence,
                    None if read.seconds is None else round(read.seconds, 2),
                )
                for read in table.reads
            ],
        ),
        write_rows(
            directory / "model.csv",
            ("case_id", *ranks, *scores),
            [(answer.case_id, *padded(answer.ranks), *padded(answer.scores)) for answer in table.model],
        ),
    )


def export_study(
    database: Database,
    study_name: str,
    directory: Path,
    *,
    actor_id: str = SYSTEM,
    include_simulated: bool = False,
) -> tuple[Path, ...]:
    """Write a study as tidy CSV files with a data dictionary, its protocol and the audit chain.

    Managers and statisticians export where they may see results. The command line may at any time; an export
    before the lock is noted in the audit as interim.

    Args:
        database: the study database.
        study_name: which study.
        directory: made where it is not there; files in it are replaced.
        actor_id: who exports.
        include_simulated: whether simulated readers (SIM-...) are written too.

    Returns:
        The files, in the order they were written.

    Raises:
        NotAllowed: role or state does not allow it.
        StudyError: the directory cannot be written.
    """
    with database.transaction() as session:
        viewer = require_role(session, actor_id, ("manager", "statistician"))
        study = study_named(session, study_name)
        if viewer is not None and (why := why_closed(study, viewer)) is not None:
            raise NotAllowed(why)
        table = study_table(session, study, with_simulated=include_simulated)
        interim = study.state not in AFTER_LOCK
        audit.append(
            session,
            at=database.clock(),
            actor_id=actor_id,
            action="export",
            subject=f"study {study.name}",
            details={"readings": len(table.reads), "interim": interim, "simulated": include_simulated},
        )
        protocol: dict[str, Any] = {
            **table.study,
            "interim": interim,
            "seed": study.seed,
            "wash_out_days": study.wash_out_days,
            "config": config_of(study),
            "model_identity": study.model_identity,
            "cases": session.query(CaseRecord).filter_by(study_id=study.id).count(),
        }
        records = record_tables(session, study, simulated=include_simulated)
        chain = [
            (row.id, row.at, row.actor_id, row.action, row.subject, row.details, row.previous_hash, row.hash)
            for row in session.scalars(select(AuditRecord).order_by(AuditRecord.id))
        ]
    columns = ("id", "at", "actor_id", "action", "subject", "details", "previous_hash", "hash")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        facts = directory / "protocol.json"
        facts.write_text(json.dumps(protocol, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return (
            *write_tables(table, directory),
            write_rows(directory / "mrmcaov.csv", MRMCAOV_COLUMNS, mrmcaov_rows(outcomes(table))),
            *write_programs(table, directory),
            *(write_rows(directory / name, header, rows) for name, header, rows in records),
            write_rows(directory / "audit.csv", columns, chain),
            write_rows(directory / "data_dictionary.csv", ("file", "column", "meaning"), DICTIONARY),
            facts,
        )
    except OSError as error:
        raise StudyError(f"The export cannot be written to {directory}: {error.strerror}.") from error
