"""The case that a reader has before them, as the page is told of it: without a word about what it is."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import tokens
from reader_study.protocol import config_of
from reader_study.records import (
    ArmRecord,
    AssignmentRecord,
    CaseRecord,
    ReadingRecord,
    StudyRecord,
    TimingEventRecord,
    TokenRecord,
)
from reader_study.standing import current_reading, places_in_period
from reader_study.timing import TimedEvent, seconds_so_far


@dataclass(frozen=True)
class OwnAnswer:
    """An answer that the reader gave before: texts as typed, the ids they named, confidence, remarks."""

    ranks: tuple[str, ...]
    diagnoses: tuple[str | None, ...]
    confidence: int
    comment: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class NextReading:
    """The case that a reader has before them.

    Attributes:
        token: the right to see and answer it.
        number: place in the reader's order of the period, of ``total``.
        aided: whether the model's answer is shown, see ``aid``.
        step: in a sequential study 1 (unaided) or 2 (aided, the first answer locked) of ``steps``.
        findings: whether finding tags are asked for.
        time_limit_seconds: how long the photograph may be looked at, ``None`` for as long as one likes;
            ``seconds_spent`` of it are gone.
        previous: the locked first answer in step 2, or the answer that is being corrected.
        correcting: whether an earlier answer is being corrected.
    """

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
    aided: bool = False
    design: str = "single"
    step: int = 1
    steps: int = 1
    findings: bool = False
    time_limit_seconds: int | None = None
    seconds_spent: float = 0.0
    previous: OwnAnswer | None = None
    correcting: bool = False


def present(
    session: Session,
    study: StudyRecord,
    assignment: AssignmentRecord,
    now: datetime,
    *,
    correcting: bool = False,
) -> NextReading:
    """Issue a token for a place and describe it."""
    config = config_of(study)
    query = (
        select(ArmRecord, CaseRecord.practice, places_in_period(assignment).label("total"))
        .join(AssignmentRecord, AssignmentRecord.arm_id == ArmRecord.id)
        .join(CaseRecord, CaseRecord.id == AssignmentRecord.case_id)
        .where(AssignmentRecord.id == assignment.id)
    )
    arm, practice, total = session.execute(query).one()
    limit = None if correcting else config["time_limit_seconds"]
    sequential = study.design == "sequential"
    token = tokens.issue(session, assignment, now, "correction" if correcting else "reading")
    return NextReading(
        token=token,
        study=study.name,
        title=study.title,
        number=assignment.position,
        total=total,
        period=1 if sequential else assignment.period,
        periods=1 if sequential else config["periods"],
        arm=arm.name,
        practice=practice,
        k=study.k,
        confidence_levels=study.confidence_levels,
        free_text=config["free_text"],
        synthetic=study.synthetic,
        label_set=study.label_set,
        aided=arm.shows_model,
        design=study.design,
        step=assignment.period if sequential else 1,
        steps=config["periods"] if sequential else 1,
        findings=config["findings"],
        time_limit_seconds=limit,
        seconds_spent=seconds_spent(session, assignment, now) if limit else 0.0,
        previous=_previous(session, study, assignment, correcting),
        correcting=correcting,
    )


def seconds_spent(session: Session, assignment: AssignmentRecord, now: datetime) -> float:
    """How long the case has been before its reader, by the server's clock; corrections do not count."""
    query = (
        select(TimingEventRecord)
        .join(TokenRecord, TokenRecord.token_hash == TimingEventRecord.token_hash)
        .where(TimingEventRecord.assignment_id == assignment.id, TokenRecord.purpose == "reading")
        .order_by(TimingEventRecord.id)
    )
    events = [TimedEvent(row.token_hash, row.kind, row.at) for row in session.scalars(query)]
    return seconds_so_far(events, now)


def _previous(
    session: Session, study: StudyRecord, assignment: AssignmentRecord, correcting: bool
) -> OwnAnswer | None:
    if correcting:
        stands = current_reading(session, assignment)
        return own_answer(stands) if stands is not None else None
    if study.design != "sequential" or assignment.period == 1:
        return None
    query = select(AssignmentRecord).where(
        AssignmentRecord.study_id == study.id,
        AssignmentRecord.reader_id == assignment.reader_id,
        AssignmentRecord.position == assignment.position,
        AssignmentRecord.period == 1,
    )
    first = current_reading(session, session.scalars(query).one())
    return own_answer(first) if first is not None else None


def own_answer(reading: ReadingRecord) -> OwnAnswer:
    """A stored answer as its reader sees it again."""
    return OwnAnswer(
        ranks=tuple(entry.text for entry in reading.entries),
        diagnoses=tuple(entry.diagnosis for entry in reading.entries),
        confidence=reading.confidence,
        comment=reading.comment,
        findings=tuple(reading.findings),
    )
