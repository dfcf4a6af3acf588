"""Where a reader stands in a study: the place that comes next, and what may lie before it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.orm import Session, aliased

from reader_study.consent import consent_missing
from reader_study.database import Database
from reader_study.protocol import config_of
from reader_study.records import (
    AssignmentRecord,
    EnrolmentRecord,
    ReadingRecord,
    StudyRecord,
    UserRecord,
)
from reader_study.roles import require_reader


@dataclass(frozen=True)
class StudyProgress:
    """Where a reader stands in a study.

    Attributes:
        standing: ``consent``, ``profile`` (to be given first), ``reading``, ``waiting`` (for the end of a
            wash-out, at ``opens_at``), ``done`` or ``closed`` (the study takes no answers any more).
        done: answers given, of ``total`` places in all periods.
        results_open: whether the reader may see the results.
    """

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
    design: str = "single"
    corrections: bool = False
    results_open: bool = False


def progress(database: Database, reader_id: str) -> tuple[StudyProgress, ...]:
    """Where the reader stands in every study that they are part of, oldest first.

    Raises:
        NotAllowed: the account is not an active reader.
    """
    now = database.clock()
    with database.session() as session:
        reader = require_reader(session, reader_id)
        query = (
            select(StudyRecord)
            .join(EnrolmentRecord, EnrolmentRecord.study_id == StudyRecord.id)
            .where(EnrolmentRecord.reader_id == reader_id, StudyRecord.state != "draft")
            .order_by(StudyRecord.opened_at, StudyRecord.id)
        )
        return tuple(_standing(session, study, reader, now) for study in session.scalars(query).all())


def _standing(session: Session, study: StudyRecord, reader: UserRecord, now: datetime) -> StudyProgress:
    config = config_of(study)
    current, opens_at = current_place(session, study, reader.id, now)
    mine = (AssignmentRecord.study_id == study.id) & (AssignmentRecord.reader_id == reader.id)
    total = session.scalar(select(func.count()).where(mine)) or 0
    read = (ReadingRecord.study_id == study.id) & (ReadingRecord.reader_id == reader.id)
    done = session.scalar(select(func.count()).where(read, ReadingRecord.revision == 1)) or 0
    if study.state != "open":
        standing = "closed"
    elif current is None:
        standing = "done"
    elif gate := missing_before_reading(session, study, reader):
        standing = gate
    else:
        standing = "waiting" if opens_at is not None else "reading"
    return StudyProgress(
        study=study.name,
        title=study.title,
        state=study.state,
        period=current.period if current is not None else config["periods"],
        periods=config["periods"],
        done=done,
        total=total,
        standing=standing,
        opens_at=opens_at if study.state == "open" else None,
        synthetic=study.synthetic,
        design=study.design,
        corrections=config["corrections"],
        results_open=study.state in ("unblinded", "archived"),
    )


def missing_before_reading(session: Session, study: StudyRecord, reader: UserRecord) -> str | None:
    """What the protocol asks of a reader before the first case: ``consent`` or ``profile``."""
    if reader.simulated:
        return None
    if consent_missing(session, study, reader.id):
        return "consent"
    if config_of(study)["profile"] and reader.profile_at is None:
        return "profile"
    return None


def current_place(
    session: Session, study: StudyRecord, reader_id: str, now: datetime
) -> tuple[AssignmentRecord | None, datetime | None]:
    """The first unanswered place, and the end of the wash-out before it while that lies ahead.

    A sequential study goes from case to case, in both arms at once; every other one from period to period.
    """
    mine = (AssignmentRecord.study_id == study.id) & (AssignmentRecord.reader_id == reader_id)
    by_case = (AssignmentRecord.position, AssignmentRecord.period)
    order = by_case if study.design == "sequential" else by_case[::-1]
    unanswered = (
        select(AssignmentRecord)
        .outerjoin(ReadingRecord, ReadingRecord.assignment_id == AssignmentRecord.id)
        .where(mine, ReadingRecord.id.is_(None))
        .order_by(*order)
        .limit(1)
    )
    assignment = session.scalar(unanswered)
    if assignment is None or assignment.period == 1 or study.design == "sequential":
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


def places_in_period(assignment: AssignmentRecord) -> ScalarSelect[int]:
    """How many places the reader has in the period of this one, to be asked for within another query."""
    place = aliased(AssignmentRecord)
    query = select(func.count(place.id)).where(
        place.study_id == assignment.study_id,
        place.reader_id == assignment.reader_id,
        place.period == assignment.period,
    )
    return query.scalar_subquery()


def current_reading(session: Session, assignment: AssignmentRecord) -> ReadingRecord | None:
    """The answer of a place that counts now: its highest revision."""
    query = select(ReadingRecord).where(ReadingRecord.assignment_id == assignment.id)
    return session.scalar(query.order_by(ReadingRecord.revision.desc()).limit(1))
