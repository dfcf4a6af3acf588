"""The conduct of a study: what a reader may see and do next. Every rule stands here, none in a page.

The caller passes the reader's id from the server's own session and the token that this module gave out;
nothing else that a browser sends is used to decide who reads what.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reader_study import audit, integrity, tokens
from reader_study.access import before_reader, is_late, refuse_after_time, require_current
from reader_study.allocation import enrol, may_read
from reader_study.answers import Answer, Checked, check_answer
from reader_study.case_list import is_unchanged
from reader_study.corrections import check_reason
from reader_study.database import Database
from reader_study.errors import ConductError
from reader_study.feedback import Feedback, feedback_on
from reader_study.next_case import NextReading, OwnAnswer, present
from reader_study.protocol import config_of
from reader_study.records import (
    EVENT_KINDS,
    DisplayRecord,
    EnrolmentRecord,
    RankedEntryRecord,
    ReadingRecord,
    StudyRecord,
    TimingEventRecord,
    UserRecord,
)
from reader_study.roles import require_reader
from reader_study.standing import (
    StudyProgress,
    current_place,
    current_reading,
    missing_before_reading,
    progress,
)
from reader_study.vocabulary import labels_of
from retizero.knowledge import load_catalogue

__all__ = [
    "EVENT_KINDS",
    "Answer",
    "Feedback",
    "NextReading",
    "OwnAnswer",
    "StudyProgress",
    "Submission",
    "image_for",
    "next_reading",
    "note_event",
    "progress",
    "submit",
]

EVENTS_PER_TOKEN = 500


@dataclass(frozen=True)
class Submission:
    """A stored answer.

    Attributes:
        replayed: the token had been used before and the first answer stands.
        late: the answer came after the protocol's time limit; it is kept, and marked.
        feedback: of a practice case, what the reference standard says; of every other case nothing.
    """

    reading_id: int
    study: str
    number: int
    replayed: bool
    submitted_at: datetime
    revision: int = 1
    late: bool = False
    feedback: Feedback | None = None


def next_reading(database: Database, reader_id: str, study: str | None = None) -> NextReading | None:
    """The first unanswered case of the reader's stored order, with a fresh token.

    Asking again, from any device, gives the same case until it is answered. ``None``: nothing to read now;
    see ``progress`` for why.

    Raises:
        NotAllowed: the account is not an active reader.
    """
    now = database.clock()
    with database.transaction() as session:
        reader = require_reader(session, reader_id)
        mine = (EnrolmentRecord.study_id == StudyRecord.id) & (EnrolmentRecord.reader_id == reader_id)
        query = (
            select(StudyRecord, EnrolmentRecord.ordinal.is_not(None))
            .outerjoin(EnrolmentRecord, mine)
            .where(StudyRecord.state == "open")
            .order_by(StudyRecord.opened_at, StudyRecord.id)
        )
        if study is not None:
            query = query.where(StudyRecord.name == study)
        for row, enrolled in session.execute(query).all():
            if not enrolled and not _joins(database, session, row, reader):
                continue
            if missing_before_reading(session, row, reader) is not None:
                continue
            assignment, opens_at = current_place(session, row, reader_id, now)
            if assignment is not None and opens_at is None:
                return present(session, row, assignment, now)
    return None


def _joins(database: Database, session: Session, study: StudyRecord, reader: UserRecord) -> bool:
    """Enrol one whom the protocol names but who came late; say whether it does."""
    if not may_read(session, study, reader):
        return False
    enrol(database, session, study, reader, reader.id)
    return True


def image_for(database: Database, reader_id: str, token: str) -> Path:
    """The image file of the case that the token stands for; the first look is noted as ``shown``.

    Raises:
        TimeUp: the protocol's time for this photograph is over.
        ConductError: the token is not good (any more), or the file is not the one that was imported.
        NotAllowed: the account is not an active reader.
    """
    with database.transaction() as session:
        grant = before_reader(database, session, reader_id, token)
        refuse_after_time(database, session, grant)
        path = Path(grant.case.image_path)
        if not is_unchanged(path, grant.case.image_sha256):
            raise ConductError(
                "The photograph of this case is missing or was changed; tell the study's manager."
            )
        query = select(TimingEventRecord.id).where(TimingEventRecord.token_hash == grant.token_hash)
        if session.scalar(query.where(TimingEventRecord.kind == "shown").limit(1)) is None:
            session.add(_event(grant, "shown", database.clock()))
    return path


def note_event(database: Database, reader_id: str, token: str, kind: str) -> None:
    """Record something that happened on the reading page, at the server's time.

    Raises:
        ConductError: unknown kind, or the token is not good (any more).
        NotAllowed: the account is not an active reader.
    """
    if kind not in EVENT_KINDS:
        raise ConductError(f"An event is one of {', '.join(EVENT_KINDS)}.")
    with database.transaction() as session:
        grant = before_reader(database, session, reader_id, token)
        query = select(func.count()).where(TimingEventRecord.token_hash == grant.token_hash)
        if (session.scalar(query) or 0) < EVENTS_PER_TOKEN:
            session.add(_event(grant, kind, database.clock()))


def _event(grant: tokens.Grant, kind: str, at: datetime) -> TimingEventRecord:
    return TimingEventRecord(assignment_id=grant.assignment.id, token_hash=grant.token_hash, kind=kind, at=at)


def submit(database: Database, reader_id: str, token: str, answer: Answer, reason: str = "") -> Submission:
    """Store an answer together with its audit row.

    The same token sent again, at once or later, gives back the first result and stores nothing. A token of
    ``corrections.open_correction`` stores a new revision and needs a reason.

    Raises:
        AlreadyAnswered: the case was answered through another token.
        ConductError: the token is not good (any more) or the answer cannot be taken; the sentence says why.
        NotAllowed: the account is not an active reader.
    """
    catalogue = load_catalogue()
    now = database.clock()
    with database.transaction() as session:
        grant = tokens.redeem(session, reader_id, token)
        query = select(ReadingRecord).where(ReadingRecord.token_hash == grant.token_hash)
        if (earlier := session.scalar(query)) is not None:
            return _submission(session, earlier, grant, replayed=True)
        require_current(session, grant, now)
        _require_aid_seen(session, grant)
        study = grant.study
        correcting = grant.purpose == "correction"
        config = config_of(study)
        checked = check_answer(
            answer,
            k=study.k,
            confidence_levels=study.confidence_levels,
            free_text=config["free_text"],
            catalogue=catalogue,
            labels=labels_of(study),
            findings=config["findings"],
        )
        reading = _store(
            session,
            grant,
            checked,
            now,
            reason=check_reason(reason) if correcting else "",
            late=not correcting and is_late(session, grant, now),
        )
        events = integrity.events_behind(session, reading)
        audit.append(
            session,
            at=now,
            actor_id=reader_id,
            action="correct" if correcting else "submit",
            subject=integrity.reading_subject(reading),
            details={
                "digest": integrity.reading_digest(reading),
                "vouches": {integrity.timing_subject(reading): integrity.timing_digest(events)},
                "study": study.name,
                "reader": grant.reader.code,
                "place": [grant.assignment.period, grant.assignment.position],
                **({"revision": reading.revision, "reason": reading.reason} if correcting else {}),
            },
        )
        return _submission(session, reading, grant, replayed=False)


def _require_aid_seen(session: Session, grant: tokens.Grant) -> None:
    """An answer of the aided arm was given with the model in view, or it is none."""
    if not grant.arm.shows_model:
        return
    query = select(DisplayRecord.id).where(DisplayRecord.assignment_id == grant.assignment.id)
    if session.scalar(query) is None:
        raise ConductError("The model's answer was not shown yet; load the page again.")


def _store(
    session: Session,
    grant: tokens.Grant,
    checked: Checked,
    now: datetime,
    *,
    reason: str,
    late: bool,
) -> ReadingRecord:
    assignment = grant.assignment
    stands = current_reading(session, assignment) if grant.purpose == "correction" else None
    reading = ReadingRecord(
        study_id=assignment.study_id,
        assignment_id=assignment.id,
        reader_id=assignment.reader_id,
        case_id=assignment.case_id,
        period=assignment.period,
        repeat=assignment.repeat,
        revision=stands.revision + 1 if stands is not None else 1,
        token_hash=grant.token_hash,
        confidence=checked.confidence,
        comment=checked.comment,
        reason=reason,
        submitted_at=now,
        findings=list(checked.findings),
        late=late,
    )
    reading.entries = [
        RankedEntryRecord(rank=rank, diagnosis=entry.diagnosis, text=entry.text)
        for rank, entry in enumerate(checked.entries, 1)
    ]
    session.add(reading)
    session.add(_event(grant, "submitted", now))
    session.flush()
    return reading


def _submission(
    session: Session, reading: ReadingRecord, grant: tokens.Grant, *, replayed: bool
) -> Submission:
    return Submission(
        reading_id=reading.id,
        study=grant.study.name,
        number=grant.assignment.position,
        replayed=replayed,
        submitted_at=reading.submitted_at,
        revision=reading.revision,
        late=reading.late,
        feedback=feedback_on(session, grant.study, reading),
    )
