"""What a token opens: the case that a reader has to read now, or an answer that may be corrected, in time."""

from datetime import datetime

from sqlalchemy.orm import Session

from reader_study import tokens
from reader_study.corrections import why_locked
from reader_study.database import Database
from reader_study.errors import AlreadyAnswered, ConductError, TimeUp
from reader_study.next_case import seconds_spent
from reader_study.protocol import config_of
from reader_study.records import ReadingRecord
from reader_study.standing import current_place, current_reading

GRACE_SECONDS = 5.0
"""For the way of an answer through the network, on top of the protocol's time limit."""


def before_reader(database: Database, session: Session, reader_id: str, token: object) -> tokens.Grant:
    """What a token gives, if the case is the one that this reader has to read (or may correct) now.

    Raises:
        AlreadyAnswered: another token answered the case.
        ConductError: the token is not the reader's or expired, or the study takes no answers.
        NotAllowed: the account is not an active reader.
    """
    grant = tokens.redeem(session, reader_id, token)
    require_current(session, grant, database.clock())
    return grant


def require_current(session: Session, grant: tokens.Grant, now: datetime) -> None:
    """Raise what ``before_reader`` raises unless the grant's case is to be read (or may be corrected) now."""
    study, place = grant.study, grant.assignment
    if grant.purpose == "correction":
        _may_correct(session, grant, current_reading(session, place), now)
        return
    current, opens_at = current_place(session, study, place.reader_id, now)
    here = current is not None and current.id == place.id
    if not here and current_reading(session, place) is not None:
        raise AlreadyAnswered("This case is answered already; your first answer stands.")
    if study.state != "open":
        raise ConductError(f"The study is {study.state}; it takes no answers any more.")
    if now >= grant.expires_at or not here:
        raise ConductError(tokens.STALE)
    if opens_at is not None:
        raise ConductError(f"The next period opens on {opens_at:%Y-%m-%d at %H:%M} UTC, after the wash-out.")


def _may_correct(session: Session, grant: tokens.Grant, stands: ReadingRecord | None, now: datetime) -> None:
    """A correction token corrects the answer that stood when it was issued, and no later one."""
    if (why := why_locked(session, grant.study, grant.assignment)) is not None:
        raise ConductError(why)
    if stands is None or now >= grant.expires_at:
        raise ConductError(tokens.STALE)
    if stands.submitted_at > grant.issued_at:
        raise AlreadyAnswered("This answer was corrected meanwhile; open it again to see what stands.")


def _seconds_over(session: Session, grant: tokens.Grant, now: datetime) -> float:
    """Seconds beyond the protocol's time limit: negative within it, or where there is none."""
    limit = config_of(grant.study)["time_limit_seconds"]
    if limit is None or grant.purpose == "correction":
        return -1.0
    return seconds_spent(session, grant.assignment, now) - float(limit)


def is_late(session: Session, grant: tokens.Grant, now: datetime) -> bool:
    """Whether an answer given now comes after the time limit, the way through the network allowed for."""
    return _seconds_over(session, grant, now) > GRACE_SECONDS


def refuse_after_time(database: Database, session: Session, grant: tokens.Grant) -> None:
    """Refuse to show a photograph for longer than the protocol says.

    Raises:
        TimeUp: its time is over.
    """
    if _seconds_over(session, grant, database.clock()) > 0:
        raise TimeUp("The time for this photograph is over; give your answer.")
