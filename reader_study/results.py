"""Who may see what about a study, and when: status for those who run it, results in the right state only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reader_study.adjudication import adjudicated, resolve
from reader_study.analysis import Report, report
from reader_study.analysis.cells import quality
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import NotAllowed
from reader_study.protocol import config_of
from reader_study.records import (
    AssignmentRecord,
    AuditRecord,
    CaseRecord,
    EnrolmentRecord,
    RankedEntryRecord,
    ReadingRecord,
    StudyRecord,
    UserRecord,
)
from reader_study.roles import require_role
from reader_study.studies import study_named
from reader_study.tabulate import study_table

WATCHERS = ("manager", "statistician", "coordinator")
AFTER_LOCK = ("locked", "unblinded", "archived")
AFTER_UNBLINDING = ("unblinded", "archived")


@dataclass(frozen=True)
class ReaderProgress:
    """How far a reader is, under the pseudonym."""

    reader_id: str
    site: str
    simulated: bool
    done: int
    total: int
    last_reading_at: datetime | None


@dataclass(frozen=True)
class StudyStatus:
    """What those who run a study may always know: progress, never accuracy."""

    name: str
    title: str
    state: str
    design: str
    protocol_version: str
    label_set: str
    k: int
    confidence_levels: int
    synthetic: bool
    live_results: bool
    cases: int
    practice_cases: int
    readers: tuple[ReaderProgress, ...]
    readings: int
    expected_readings: int
    unresolved_entries: int
    model: dict[str, Any] | None
    arms: tuple[str, ...]
    results_visible: bool
    created_at: datetime
    opened_at: datetime | None
    locked_at: datetime | None
    unblinded_at: datetime | None


def studies(database: Database, viewer_id: str) -> tuple[StudyStatus, ...]:
    """The status of every study, newest first; a coordinator sees the readers of the own site only.

    Raises:
        NotAllowed: the viewer is a reader.
    """
    with database.session() as session:
        viewer = require_role(session, viewer_id, WATCHERS)
        query = select(StudyRecord).order_by(StudyRecord.created_at.desc(), StudyRecord.id.desc())
        return tuple(_status(session, study, viewer) for study in session.scalars(query).all())


def study_status(database: Database, viewer_id: str, study_name: str) -> StudyStatus:
    """The status of one study.

    Raises:
        NotAllowed: the viewer is a reader.
        DesignError: there is no such study.
    """
    with database.session() as session:
        viewer = require_role(session, viewer_id, WATCHERS)
        return _status(session, study_named(session, study_name), viewer)


def _status(session: Session, study: StudyRecord, viewer: UserRecord | None) -> StudyStatus:
    readers = _reader_progress(session, study)
    if viewer is not None and viewer.role == "coordinator":
        readers = [reader for reader in readers if reader.site == viewer.site]
    kinds = (
        select(CaseRecord.practice, func.count())
        .where(CaseRecord.study_id == study.id)
        .group_by(CaseRecord.practice)
    )
    practice = {is_practice: number for is_practice, number in session.execute(kinds)}
    free_texts = session.scalars(
        select(RankedEntryRecord)
        .join(ReadingRecord, ReadingRecord.id == RankedEntryRecord.reading_id)
        .join(UserRecord, UserRecord.id == ReadingRecord.reader_id)
        .where(
            ReadingRecord.study_id == study.id,
            RankedEntryRecord.diagnosis.is_(None),
            UserRecord.code.in_([reader.reader_id for reader in readers]),
        )
    )
    meaning = adjudicated(session, study)
    unresolved = sum(not resolve(entry, meaning).settled for entry in free_texts)
    return StudyStatus(
        name=study.name,
        title=study.title,
        state=study.state,
        design=study.design,
        protocol_version=study.protocol_version,
        label_set=study.label_set,
        k=study.k,
        confidence_levels=study.confidence_levels,
        synthetic=study.synthetic,
        live_results=config_of(study)["live_results"],
        cases=practice.get(False, 0),
        practice_cases=practice.get(True, 0),
        readers=tuple(readers),
        readings=sum(reader.done for reader in readers),
        expected_readings=sum(reader.total for reader in readers),
        unresolved_entries=unresolved,
        model=study.model_identity,
        arms=tuple(config_of(study)["arms"]),
        results_visible=why_closed(study, viewer) is None,
        created_at=study.created_at,
        opened_at=study.opened_at,
        locked_at=study.locked_at,
        unblinded_at=study.unblinded_at,
    )


def _reader_progress(session: Session, study: StudyRecord) -> list[ReaderProgress]:
    """Practice cases count here: they are work that a reader has to do."""
    done = (
        select(
            ReadingRecord.reader_id,
            func.count().label("done"),
            func.max(ReadingRecord.submitted_at).label("last"),
        )
        .where(ReadingRecord.study_id == study.id, ReadingRecord.revision == 1)
        .group_by(ReadingRecord.reader_id)
        .subquery()
    )
    places = (
        select(AssignmentRecord.reader_id, func.count().label("total"))
        .where(AssignmentRecord.study_id == study.id)
        .group_by(AssignmentRecord.reader_id)
        .subquery()
    )
    query = (
        select(UserRecord, places.c.total, done.c.done, done.c.last)
        .join(EnrolmentRecord, EnrolmentRecord.reader_id == UserRecord.id)
        .outerjoin(places, places.c.reader_id == UserRecord.id)
        .outerjoin(done, done.c.reader_id == UserRecord.id)
        .where(EnrolmentRecord.study_id == study.id)
        .order_by(EnrolmentRecord.ordinal)
    )
    return [
        ReaderProgress(user.code, user.site, user.simulated, finished or 0, total or 0, last)
        for user, total, finished, last in session.execute(query)
    ]


def why_closed(study: StudyRecord, viewer: UserRecord | None) -> str | None:
    """Why the results are closed to the viewer, or ``None`` where they are open."""
    role = viewer.role if viewer is not None else SYSTEM
    if role in ("reader", "coordinator"):
        return None if study.state in AFTER_UNBLINDING else "Results are closed until the study is unblinded."
    if study.state in AFTER_LOCK:
        return None
    if study.state == "open" and config_of(study)["live_results"] and role != "statistician":
        return None
    return "Results are closed until the study is locked."


def results(database: Database, viewer_id: str, study_name: str, *, resamples: int = 2000) -> Report:
    """The report on a study, if its state opens it to the viewer.

    The bootstrap is seeded with the study's own seed, so that the same data give the same report.

    Raises:
        NotAllowed: the state of the study, or the viewer's part in it, does not open the results yet.
        DesignError: there is no such study.
    """
    with database.session() as session:
        study = _opened(session, viewer_id, study_name)
        return report(study_table(session, study), seed=study.seed, resamples=resamples)


def results_version(database: Database, viewer_id: str, study_name: str) -> int:
    """A number that changes whenever anything was written; the same number means the same report.

    Raises:
        NotAllowed, DesignError: as ``results``; a kept report is given out only after asking here.
    """
    with database.session() as session:
        _opened(session, viewer_id, study_name)
        return session.scalar(select(func.max(AuditRecord.id))) or 0


def data_quality(database: Database, viewer_id: str, study_name: str) -> list[dict[str, Any]]:
    """What each reader has done and what the readings lack; never who was right, so open in every state.

    Raises:
        NotAllowed: the viewer is a reader.
        DesignError: there is no such study.
    """
    with database.session() as session:
        viewer = require_role(session, viewer_id, WATCHERS)
        rows = quality(study_table(session, study_named(session, study_name)))
        if viewer is not None and viewer.role == "coordinator":
            rows = [row for row in rows if row["site"] == viewer.site]
        return rows


def _opened(session: Session, viewer_id: str, study_name: str) -> StudyRecord:
    viewer = require_role(session, viewer_id, ("reader", *WATCHERS))
    study = study_named(session, study_name)
    if viewer is not None and viewer.role == "reader":
        _require_part(session, study, viewer)
    if (why := why_closed(study, viewer)) is not None:
        raise NotAllowed(why)
    return study


def _require_part(session: Session, study: StudyRecord, viewer: UserRecord) -> None:
    if session.get(EnrolmentRecord, (study.id, viewer.id)) is None:
        raise NotAllowed("This study has other readers.")
