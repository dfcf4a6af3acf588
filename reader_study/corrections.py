"""Corrections, where the protocol allows them: a new answer with a reason; the old one stays beside it.

An answer can be corrected while the study is open and no later period has begun. In a sequential study the
unaided answer is locked for good: the aided one has been asked for by then.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reader_study.answers import clean
from reader_study.database import Database
from reader_study.errors import ConductError
from reader_study.next_case import NextReading, OwnAnswer, own_answer, present
from reader_study.protocol import config_of
from reader_study.records import AssignmentRecord, CaseRecord, ReadingRecord, StudyRecord
from reader_study.roles import require_reader
from reader_study.standing import current_reading
from reader_study.studies import study_named

LONGEST_REASON = 500


@dataclass(frozen=True)
class OwnReading:
    """A reader's own current answer to one place of their order, without a word about the case.

    In a sequential study each case has two ``steps``, unaided and aided.
    """

    period: int
    number: int
    step: int
    steps: int
    practice: bool
    revision: int
    answer: OwnAnswer
    submitted_at: datetime
    correctable: bool


def own_readings(database: Database, reader_id: str, study_name: str) -> tuple[OwnReading, ...]:
    """What the reader answered so far in a study, in the order of reading.

    Raises:
        NotAllowed: the account is not an active reader.
        DesignError: there is no such study.
    """
    with database.session() as session:
        require_reader(session, reader_id)
        study = study_named(session, study_name)
        sequential = study.design == "sequential"
        query = (
            select(AssignmentRecord, CaseRecord.practice)
            .join(CaseRecord, CaseRecord.id == AssignmentRecord.case_id)
            .where(AssignmentRecord.study_id == study.id, AssignmentRecord.reader_id == reader_id)
            .order_by(AssignmentRecord.period, AssignmentRecord.position)
        )
        found = []
        for place, practice in session.execute(query).all():
            reading = current_reading(session, place)
            if reading is None:
                continue
            found.append(
                OwnReading(
                    period=1 if sequential else place.period,
                    number=place.position,
                    step=place.period if sequential else 1,
                    steps=2 if sequential else 1,
                    practice=practice,
                    revision=reading.revision,
                    answer=own_answer(reading),
                    submitted_at=reading.submitted_at,
                    correctable=why_locked(session, study, place) is None,
                )
            )
        return tuple(sorted(found, key=lambda own: (own.period, own.number, own.step)))


def open_correction(
    database: Database, reader_id: str, study_name: str, period: int, number: int
) -> NextReading:
    """Show an answered case again, to correct its answer; in a sequential study, the aided answer.

    Raises:
        ConductError: there is no such answer of this reader, or it can no longer be corrected.
        NotAllowed: the account is not an active reader.
    """
    now = database.clock()
    with database.transaction() as session:
        require_reader(session, reader_id)
        study = study_named(session, study_name)
        query = select(AssignmentRecord).where(
            AssignmentRecord.study_id == study.id,
            AssignmentRecord.reader_id == reader_id,
            AssignmentRecord.period == (2 if study.design == "sequential" else period),
            AssignmentRecord.position == number,
        )
        place = session.scalar(query)
        if place is None or current_reading(session, place) is None:
            raise ConductError("There is no answer of yours at this place.")
        if (why := why_locked(session, study, place)) is not None:
            raise ConductError(why)
        return present(session, study, place, now, correcting=True)


def why_locked(session: Session, study: StudyRecord, place: AssignmentRecord) -> str | None:
    """Why the answer at a place cannot be corrected (any more), or ``None`` where it can."""
    if not config_of(study)["corrections"]:
        return "The protocol of this study allows no corrections; your first answer stands."
    if study.state != "open":
        return f"The study is {study.state}; it takes no answers any more."
    if session.get_one(CaseRecord, place.case_id).practice:
        return "Practice cases are not corrected."
    if study.design == "sequential":
        return None if place.period > 1 else "The answer without the model is locked."
    query = select(func.count()).where(
        ReadingRecord.study_id == study.id,
        ReadingRecord.reader_id == place.reader_id,
        ReadingRecord.period > place.period,
    )
    return "The next period has begun; answers of this one are locked." if session.scalar(query) else None


def check_reason(reason: object) -> str:
    """The reason of a correction, cleaned.

    Raises:
        ConductError: it is empty, too long, or holds control characters.
    """
    plain = clean(reason, "The reason", LONGEST_REASON)
    if not plain:
        raise ConductError("Give the reason of the correction.")
    return plain
