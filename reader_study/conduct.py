"""The conduct of a study: what a reader may see and do next. Every rule stands here, none in a page.

The caller passes the reader's id from the server's own session and the token that this module gave out;
nothing else that a browser sends is used to decide who reads what.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reader_study import audit, integrity, tokens
from reader_study.accounts import require_reader
from reader_study.answers import Answer, check_answer
from reader_study.case_list import image_sha256
from reader_study.database import Database
from reader_study.design import enrol, may_read
from reader_study.errors import AlreadyAnswered, ConductError
from reader_study.records import (
    EVENT_KINDS,
    ArmRecord,
    AssignmentRecord,
    CaseRecord,
    EnrolmentRecord,
    RankedEntryRecord,
    ReadingRecord,
    StudyRecord,
    TimingEventRecord,
    UserRecord,
)
from retizero.knowledge import label_set, load_catalogue

__all__ = [
    "EVENT_KINDS",
    "Answer",
    "NextReading",
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
class NextReading:
    """The case that a reader has before them, without a word about what it is."""

    token: str
    study: str
    title: str
    number: int
    total: int
    period: int
    periods: int
    arm: str
    practice: bool
    k: int
    confidence_levels: int
    free_text: bool
    synthetic: bool
    label_set: str


@dataclass(frozen=True)
class Submission:
    """A stored answer; ``replayed`` tells that the token had been used and the first answer stands."""

    reading_id: int
    study: str
    number: int
    total: int
    replayed: bool
    submitted_at: datetime


@dataclass(frozen=True)
class StudyProgress:
    """Where a reader stands in a study; ``opens_at`` is the end of a wash-out."""

    study: str
    title: str
    state: str
    period: int
    periods: int
    done: int
    total: int
    standing: str
    opens_at: datetime | None
    synthetic: bool


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
        query = (
            select(StudyRecord)
            .where(StudyRecord.state == "open")
            .order_by(StudyRecord.opened_at, StudyRecord.id)
        )
        for row in session.scalars(query).all():
            if (study is not None and row.name != study) or not _takes_part(database, session, row, reader):
                continue
            assignment, opens_at = _current(session, row, reader_id, now)
            if assignment is not None and opens_at is None:
                case = session.get_one(CaseRecord, assignment.case_id)
                return NextReading(
                    token=tokens.issue(session, assignment, now),
                    study=row.name,
                    title=row.title,
                    number=assignment.position,
                    total=_places(session, assignment),
                    period=assignment.period,
                    periods=row.config["periods"],
                    arm=session.get_one(ArmRecord, assignment.arm_id).name,
                    practice=case.practice,
                    k=row.k,
                    confidence_levels=row.confidence_levels,
                    free_text=row.config["free_text"],
                    synthetic=row.synthetic,
                    label_set=row.label_set,
                )
    return None


def _takes_part(database: Database, session: Session, study: StudyRecord, reader: UserRecord) -> bool:
    """Whether the reader is enrolled; one whom the protocol names but who came late is enrolled now."""
    if session.get(EnrolmentRecord, (study.id, reader.id)) is not None:
        return True
    if not may_read(study, reader):
        return False
    enrol(database, session, study, reader, reader.id)
    return True


def _current(
    session: Session, study: StudyRecord, reader_id: str, now: datetime
) -> tuple[AssignmentRecord | None, datetime | None]:
    """The first unanswered place, and the end of the wash-out before it while that lies ahead."""
    mine = (AssignmentRecord.study_id == study.id) & (AssignmentRecord.reader_id == reader_id)
    unanswered = (
        select(AssignmentRecord)
        .outerjoin(ReadingRecord, ReadingRecord.assignment_id == AssignmentRecord.id)
        .where(mine, ReadingRecord.id.is_(None))
        .order_by(AssignmentRecord.period, AssignmentRecord.position)
        .limit(1)
    )
    assignment = session.scalar(unanswered)
    if assignment is None or assignment.period == 1:
        return assignment, None
    last = session.scalar(
        select(func.max(ReadingRecord.submitted_at)).where(
            ReadingRecord.study_id == study.id,
            ReadingRecord.reader_id == reader_id,
            ReadingRecord.period < assignment.period,
        )
    )
    assert last is not None, "a period begins after the one before it was read"
    opens_at = last + timedelta(days=study.wash_out_days)
    return assignment, opens_at if now < opens_at else None


def _places(session: Session, assignment: AssignmentRecord) -> int:
    query = select(func.count()).where(
        AssignmentRecord.study_id == assignment.study_id,
        AssignmentRecord.reader_id == assignment.reader_id,
        AssignmentRecord.period == assignment.period,
    )
    return session.scalar(query) or 0


def _reading(session: Session, assignment: AssignmentRecord) -> ReadingRecord | None:
    query = select(ReadingRecord).where(
        ReadingRecord.assignment_id == assignment.id, ReadingRecord.revision == 1
    )
    return session.scalar(query)


def _before_reader(
    database: Database, session: Session, reader_id: str, token: object
) -> tuple[tokens.Grant, StudyRecord]:
    """What a token gives, if the case is the one that this reader has to read now.

    Raises:
        AlreadyAnswered: another token answered the case.
        ConductError: the token is not the reader's or expired, or the study takes no answers.
    """
    now = database.clock()
    grant = tokens.redeem(session, reader_id, token)
    study = session.get_one(StudyRecord, grant.assignment.study_id)
    if _reading(session, grant.assignment) is not None:
        raise AlreadyAnswered("This case is answered already; your first answer stands.")
    if study.state != "open":
        raise ConductError(f"The study is {study.state}; it takes no answers any more.")
    current, opens_at = _current(session, study, reader_id, now)
    if now >= grant.expires_at or current is None or current.id != grant.assignment.id:
        raise ConductError(tokens.STALE)
    if opens_at is not None:
        raise ConductError(f"The next period opens on {opens_at:%Y-%m-%d at %H:%M} UTC, after the wash-out.")
    return grant, study


def image_for(database: Database, reader_id: str, token: str) -> Path:
    """The image file of the case that the token stands for; the first look is noted as ``shown``.

    Raises:
        ConductError: the token is not good (any more), or the file is not the one that was imported.
        NotAllowed: the account is not an active reader.
    """
    with database.session() as session:
        require_reader(session, reader_id)
        grant, _ = _before_reader(database, session, reader_id, token)
        case = session.get_one(CaseRecord, grant.assignment.case_id)
        path, sha256 = Path(case.image_path), case.image_sha256
        query = select(TimingEventRecord.id).where(TimingEventRecord.token_hash == grant.token_hash)
        seen = session.scalar(query.where(TimingEventRecord.kind == "shown").limit(1)) is not None
    try:
        unchanged = image_sha256(path) == sha256
    except OSError:
        unchanged = False
    if not unchanged:
        raise ConductError("The photograph of this case is missing or was changed; tell the study's manager.")
    if not seen:
        note_event(database, reader_id, token, "shown")
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
        require_reader(session, reader_id)
        grant, _ = _before_reader(database, session, reader_id, token)
        query = select(func.count()).where(TimingEventRecord.token_hash == grant.token_hash)
        if (session.scalar(query) or 0) < EVENTS_PER_TOKEN:
            session.add(
                TimingEventRecord(
                    assignment_id=grant.assignment.id,
                    token_hash=grant.token_hash,
                    kind=kind,
                    at=database.clock(),
                )
            )


def submit(database: Database, reader_id: str, token: str, answer: Answer) -> Submission:
    """Store an answer together with its audit row.

    The same token sent again, at once or later, gives back the first result and stores nothing.

    Raises:
        AlreadyAnswered: the case was answered through another token.
        ConductError: the token is not good (any more) or the answer cannot be taken; the sentence says why.
        NotAllowed: the account is not an active reader.
    """
    catalogue = load_catalogue()
    now = database.clock()
    with database.transaction() as session:
        reader = require_reader(session, reader_id)
        first = tokens.redeem(session, reader_id, token)
        earlier = _reading(session, first.assignment)
        if earlier is not None and earlier.token_hash == first.token_hash:
            return _submission(session, earlier, first.assignment, replayed=True)
        grant, study = _before_reader(database, session, reader_id, token)
        checked = check_answer(
            answer,
            k=study.k,
            confidence_levels=study.confidence_levels,
            free_text=study.config["free_text"],
            catalogue=catalogue,
            labels=label_set(study.label_set),
        )
        assignment = grant.assignment
        reading = ReadingRecord(
            study_id=study.id,
            assignment_id=assignment.id,
            reader_id=reader_id,
            case_id=assignment.case_id,
            period=assignment.period,
            repeat=assignment.repeat,
            revision=1,
            token_hash=grant.token_hash,
            confidence=checked.confidence,
            comment=checked.comment,
            reason="",
            submitted_at=now,
        )
        reading.entries = [
            RankedEntryRecord(rank=rank, diagnosis=entry.diagnosis, text=entry.text)
            for rank, entry in enumerate(checked.entries, 1)
        ]
        session.add(reading)
        session.add(
            TimingEventRecord(
                assignment_id=assignment.id, token_hash=grant.token_hash, kind="submitted", at=now
            )
        )
        session.flush()
        audit.append(
            session,
            at=now,
            actor_id=reader_id,
            action="submit",
            subject=integrity.reading_subject(reading),
            details={
                "digest": integrity.reading_digest(reading),
                "study": study.name,
                "reader": reader.code,
                "place": [assignment.period, assignment.position],
            },
        )
        return _submission(session, reading, assignment, replayed=False)


def _submission(
    session: Session, reading: ReadingRecord, assignment: AssignmentRecord, *, replayed: bool
) -> Submission:
    return Submission(
        reading_id=reading.id,
        study=session.get_one(StudyRecord, reading.study_id).name,
        number=assignment.position,
        total=_places(session, assignment),
        replayed=replayed,
        submitted_at=reading.submitted_at,
    )


def progress(database: Database, reader_id: str) -> tuple[StudyProgress, ...]:
    """Where the reader stands in every study that they are part of, oldest first.

    Raises:
        NotAllowed: the account is not an active reader.
    """
    now = database.clock()
    with database.session() as session:
        require_reader(session, reader_id)
        query = (
            select(StudyRecord)
            .join(EnrolmentRecord, EnrolmentRecord.study_id == StudyRecord.id)
            .where(EnrolmentRecord.reader_id == reader_id, StudyRecord.state != "draft")
            .order_by(StudyRecord.opened_at, StudyRecord.id)
        )
        return tuple(_standing(session, study, reader_id, now) for study in session.scalars(query))


def _standing(session: Session, study: StudyRecord, reader_id: str, now: datetime) -> StudyProgress:
    current, opens_at = _current(session, study, reader_id, now)
    mine = (AssignmentRecord.study_id == study.id) & (AssignmentRecord.reader_id == reader_id)
    total = session.scalar(select(func.count()).where(mine)) or 0
    read = (ReadingRecord.study_id == study.id) & (ReadingRecord.reader_id == reader_id)
    done = session.scalar(select(func.count()).where(read, ReadingRecord.revision == 1)) or 0
    if study.state != "open":
        standing = "closed"
    elif current is None:
        standing = "done"
    else:
        standing = "waiting" if opens_at is not None else "reading"
    return StudyProgress(
        study=study.name,
        title=study.title,
        state=study.state,
        period=current.period if current is not None else study.config["periods"],
        periods=study.config["periods"],
        done=done,
        total=total,
        standing=standing,
        opens_at=opens_at if study.state == "open" else None,
        synthetic=study.synthetic,
    )
