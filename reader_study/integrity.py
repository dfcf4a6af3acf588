"""What the audit chain vouches for: readings, cases with truth, orders of cases and frozen predictions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from reader_study import audit
from reader_study.database import Database
from reader_study.records import (
    AssignmentRecord,
    CaseRecord,
    PredictionRecord,
    ReadingRecord,
    StudyRecord,
    UserRecord,
)


def reading_subject(reading: ReadingRecord) -> str:
    """The name of a reading in the audit."""
    return f"reading {reading.id}"


def cases_subject(study: StudyRecord) -> str:
    """The name of a study's cases and reference standard in the audit."""
    return f"cases of {study.name}"


def predictions_subject(study: StudyRecord) -> str:
    """The name of the model's frozen predictions in the audit."""
    return f"predictions of {study.name}"


def order_subject(study: StudyRecord, reader_code: str) -> str:
    """The name of a reader's stored order in the audit."""
    return f"order of {reader_code} in {study.name}"


def reading_digest(reading: ReadingRecord) -> str:
    """The digest of everything a reader answered and when."""
    return audit.digest(
        [
            [reading.id, reading.study_id, reading.assignment_id, reading.reader_id, reading.case_id],
            [reading.period, reading.repeat, reading.revision, reading.token_hash, reading.confidence],
            [reading.comment, reading.reason, reading.submitted_at.isoformat()],
            [[entry.rank, entry.diagnosis, entry.text] for entry in reading.entries],
        ]
    )


def cases_digest(cases: Iterable[CaseRecord]) -> str:
    """The digest of a study's cases, their images and their reference standard."""
    return audit.digest(
        [
            [
                [case.position, case.code, case.image_sha256, case.rare, case.site, case.practice],
                [[row.position, row.diagnosis, row.established_by] for row in case.reference],
            ]
            for case in sorted(cases, key=lambda case: case.position)
        ]
    )


def order_digest(assignments: Iterable[AssignmentRecord]) -> str:
    """The digest of one reader's stored order."""
    rows = [[row.period, row.position, row.case_id, row.arm_id, row.repeat] for row in assignments]
    return audit.digest(sorted(rows))


def predictions_digest(identity: Mapping[str, Any] | None, predictions: Iterable[PredictionRecord]) -> str:
    """The digest of the model's identity and its ranked answers."""
    rows = [[row.case_id, row.rank, row.diagnosis, row.score] for row in predictions]
    return audit.digest([identity, sorted(rows)])


def _readings(session: Session) -> dict[str, str]:
    query = select(ReadingRecord).options(selectinload(ReadingRecord.entries)).order_by(ReadingRecord.id)
    return {reading_subject(row): reading_digest(row) for row in session.execute(query).scalars()}


def _cases(session: Session) -> dict[str, str]:
    result: dict[str, str] = {}
    for study in session.execute(select(StudyRecord)).scalars():
        query = select(CaseRecord).where(CaseRecord.study_id == study.id)
        cases = session.execute(query.options(selectinload(CaseRecord.reference))).scalars()
        result[cases_subject(study)] = cases_digest(cases)
    return result


def _orders(session: Session) -> dict[str, str]:
    rows: dict[str, list[AssignmentRecord]] = defaultdict(list)
    query = (
        select(AssignmentRecord, StudyRecord, UserRecord.code)
        .join(StudyRecord, StudyRecord.id == AssignmentRecord.study_id)
        .join(UserRecord, UserRecord.id == AssignmentRecord.reader_id)
    )
    for row, study, code in session.execute(query):
        rows[order_subject(study, code)].append(row)
    return {subject: order_digest(order) for subject, order in rows.items()}


def _predictions(session: Session) -> dict[str, str]:
    result: dict[str, str] = {}
    for study in session.execute(select(StudyRecord)).scalars():
        query = select(PredictionRecord).join(CaseRecord).where(CaseRecord.study_id == study.id)
        rows = session.execute(query).scalars().all()
        if rows or study.model_identity is not None:
            result[predictions_subject(study)] = predictions_digest(study.model_identity, rows)
    return result


def verify(database: Database) -> audit.Verdict:
    """Check the whole audit chain and everything it vouches for."""
    with database.session() as session:
        return audit.verify(session, (_cases, _orders, _predictions, _readings))
