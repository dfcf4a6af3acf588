"""What the audit chain vouches for: the digest of every piece of evidence, and how to find it again."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from reader_study import audit
from reader_study.database import Database
from reader_study.protocol import config_of
from reader_study.records import (
    AdjudicationRecord,
    AssignmentRecord,
    CaseRecord,
    ConsentRecord,
    DisplayRecord,
    EvidenceMapRecord,
    NearReferenceRecord,
    PanelVoteRecord,
    PredictionRecord,
    ReadingRecord,
    StudyRecord,
    TimingEventRecord,
    TokenRecord,
    UserRecord,
)

SingleRow = ConsentRecord | DisplayRecord | AdjudicationRecord | PanelVoteRecord
SINGLE_ROWS: dict[type[SingleRow], str] = {
    ConsentRecord: "consent",
    DisplayRecord: "display",
    AdjudicationRecord: "adjudication",
    PanelVoteRecord: "panel vote",
}
"""Tables whose rows the chain vouches for one by one."""


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


def protocol_subject(study: StudyRecord) -> str:
    """The name of a study's protocol in the audit."""
    return f"protocol of {study.name}"


def state_subject(study: StudyRecord) -> str:
    """The name of a study's state in the audit."""
    return f"state of {study.name}"


def account_subject(user: UserRecord) -> str:
    """The name of an account's role in the audit."""
    return f"account {user.code}"


def timing_subject(reading: ReadingRecord) -> str:
    """The name of a reading's timing events in the audit."""
    return f"timing of reading {reading.id}"


def row_subject(row: SingleRow) -> str:
    """The name of a row of ``SINGLE_ROWS`` in the audit."""
    return f"{SINGLE_ROWS[type(row)]} {row.id}"


def reading_digest(reading: ReadingRecord) -> str:
    """The digest of everything a reader answered and when."""
    content = [
        [reading.id, reading.study_id, reading.assignment_id, reading.reader_id, reading.case_id],
        [reading.period, reading.repeat, reading.revision, reading.token_hash, reading.confidence],
        [reading.comment, reading.reason, reading.submitted_at.isoformat()],
        [[entry.rank, entry.diagnosis, entry.text] for entry in reading.entries],
    ]
    if reading.findings or reading.late:  # the first schema had neither
        content.append([reading.findings, reading.late])
    return audit.digest(content)


def events_behind(session: Session, reading: ReadingRecord) -> list[TimingEventRecord]:
    """The events under the reading's own token; of a first answer, under every token that led to it."""
    query = select(TimingEventRecord)
    if reading.revision == 1:
        query = query.join(TokenRecord, TokenRecord.token_hash == TimingEventRecord.token_hash).where(
            TimingEventRecord.assignment_id == reading.assignment_id, TokenRecord.purpose == "reading"
        )
    else:
        query = query.where(TimingEventRecord.token_hash == reading.token_hash)
    return list(session.scalars(query))


def timing_digest(events: Iterable[TimingEventRecord]) -> str:
    """The digest of what happened on the page of a reading."""
    return audit.digest(sorted([row.id, row.token_hash, row.kind, row.at.isoformat()] for row in events))


def row_digest(row: SingleRow) -> str:
    """The digest of every column of a row."""
    values = {column.key: getattr(row, column.key) for column in type(row).__table__.columns}
    return audit.digest(
        {key: of.isoformat() if isinstance(of, datetime) else of for key, of in values.items()}
    )


def protocol_facts(study: StudyRecord) -> dict[str, Any]:
    """Everything of a protocol that decides what is read and how it is scored."""
    return {
        "version": study.protocol_version,
        "design": study.design,
        "label_set": [study.label_set, study.label_set_version],
        "k": study.k,
        "confidence_levels": study.confidence_levels,
        "wash_out_days": study.wash_out_days,
        "seed": study.seed,
        "synthetic": study.synthetic,
        **config_of(study),
    }


def protocol_digest(study: StudyRecord) -> str:
    """The digest of protocol and frozen vocabulary."""
    return audit.digest([protocol_facts(study), study.title, study.vocabulary])


def account_digest(user: UserRecord) -> str:
    """The digest of what an account may do."""
    return audit.digest([user.id, user.role, user.active, user.simulated])


def cases_digest(cases: Iterable[CaseRecord]) -> str:
    """The digest of a study's cases, their images and their reference standard."""
    return audit.digest(
        [
            [
                [case.position, case.code, case.image_sha256, case.rare, case.site, case.practice]
                + ([] if case.block is None else [case.block]),
                [[row.position, row.diagnosis, row.established_by] for row in case.reference],
            ]
            for case in sorted(cases, key=lambda case: case.position)
        ]
    )


def order_digest(assignments: Iterable[AssignmentRecord]) -> str:
    """The digest of one reader's stored order."""
    rows = [[row.period, row.position, row.case_id, row.arm_id, row.repeat] for row in assignments]
    return audit.digest(sorted(rows))


def predictions_digest(
    identity: Mapping[str, Any] | None,
    predictions: Iterable[PredictionRecord],
    maps: Iterable[EvidenceMapRecord] = (),
    references: Iterable[NearReferenceRecord] = (),
) -> str:
    """The digest of the model's identity, its ranked answers, evidence maps and nearest reference cases."""
    rows = [[row.case_id, row.rank, row.diagnosis, row.score] for row in predictions]
    content = [identity, sorted(rows)]
    shown = [
        sorted([row.case_id, row.rank, row.sha256, sha256(row.png)] for row in maps),
        sorted(
            [row.case_id, row.rank, row.reference, row.diagnosis, row.similarity, row.sha256 or ""]
            + ([] if row.png is None else [sha256(row.png)])
            for row in references
        ),
    ]
    return audit.digest(content + shown if any(shown) else content)


def sha256(content: bytes) -> str:
    """SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


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
        maps = session.scalars(
            select(EvidenceMapRecord).join(CaseRecord).where(CaseRecord.study_id == study.id)
        ).all()
        near = session.scalars(
            select(NearReferenceRecord).join(CaseRecord).where(CaseRecord.study_id == study.id)
        ).all()
        if rows or study.model_identity is not None:
            result[predictions_subject(study)] = predictions_digest(study.model_identity, rows, maps, near)
    return result


def _single_rows(session: Session) -> dict[str, str]:
    rows: list[SingleRow] = [
        *session.scalars(select(ConsentRecord)),
        *session.scalars(select(DisplayRecord)),
        *session.scalars(select(AdjudicationRecord)),
        *session.scalars(select(PanelVoteRecord)),
    ]
    return {row_subject(row): row_digest(row) for row in rows}


def _protocols(session: Session) -> dict[str, str]:
    studies = session.scalars(select(StudyRecord)).all()
    return {protocol_subject(study): protocol_digest(study) for study in studies} | {
        state_subject(study): audit.digest(study.state) for study in studies
    }


def _accounts(session: Session) -> dict[str, str]:
    return {account_subject(user): account_digest(user) for user in session.scalars(select(UserRecord))}


def _timing(session: Session) -> dict[str, str]:
    """What ``events_behind`` gives, for all readings at once."""
    by_token: dict[str, list[TimingEventRecord]] = defaultdict(list)
    by_place: dict[int, list[TimingEventRecord]] = defaultdict(list)
    query = select(TimingEventRecord, TokenRecord.purpose).join(
        TokenRecord, TokenRecord.token_hash == TimingEventRecord.token_hash
    )
    for event, purpose in session.execute(query):
        by_token[event.token_hash].append(event)
        if purpose == "reading":
            by_place[event.assignment_id].append(event)
    return {
        timing_subject(row): timing_digest(
            by_place[row.assignment_id] if row.revision == 1 else by_token[row.token_hash]
        )
        for row in session.scalars(select(ReadingRecord))
    }


def verify(database: Database) -> audit.Verdict:
    """Check the whole audit chain and everything it vouches for."""
    with database.session() as session:
        return audit.verify(
            session,
            (_cases, _orders, _predictions, _readings, _single_rows),
            later=(_protocols, _accounts, _timing),
        )
