"""Who reads which cases in which arm and order: drawn once for each reader, and stored."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit, integrity
from reader_study.accounts import normal_name
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.drawing import PROCEDURE, Showing, order
from reader_study.errors import DesignError
from reader_study.protocol import ALL_READERS, INVITED_READERS, config_of
from reader_study.records import (
    AdjudicatorRecord,
    AssignmentRecord,
    CaseRecord,
    EnrolmentRecord,
    PeriodRecord,
    StudyRecord,
    UserRecord,
)
from reader_study.roles import require_role
from reader_study.studies import DESIGNERS, periods_of, stratum, study_named


def may_read(session: Session, study: StudyRecord, reader: UserRecord) -> bool:
    """Whether the protocol counts this account among the study's readers; who judges in it never reads."""
    if reader.role != "reader" or not reader.active or (reader.simulated and not study.synthetic):
        return False
    if judges(session, study, reader):
        return False
    readers = config_of(study)["readers"]
    if readers == INVITED_READERS:
        return reader.simulated
    return readers == ALL_READERS or reader.username in [normal_name(name) for name in readers]


def judges(session: Session, study: StudyRecord, user: UserRecord) -> bool:
    """Whether somebody adjudicates in a study or sits in its panel."""
    query = select(AdjudicatorRecord.user_id).where(
        AdjudicatorRecord.study_id == study.id, AdjudicatorRecord.user_id == user.id
    )
    return session.scalar(query.limit(1)) is not None


def allocate(database: Database, study_name: str, *, actor_id: str = SYSTEM) -> int:
    """Draw and store the order of cases of every reader of the study who has none yet.

    Returns:
        How many readers were given an order now.

    Raises:
        DesignError: the study is past its reading, or names readers who have no account.
    """
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = _study_to_read(session, study_name)
        return allocate_readers(database, session, study, actor_id)


def add_reader(database: Database, study_name: str, username: str, *, actor_id: str = SYSTEM) -> None:
    """Enrol one reader, whatever ``readers`` of the protocol says; somebody enrolled is left as they are.

    Raises:
        DesignError: the study is past its reading, or nobody active of that name reads.
    """
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = _study_to_read(session, study_name)
        query = select(UserRecord).where(UserRecord.username == normal_name(username))
        reader = session.scalar(query)
        if reader is None or reader.role != "reader" or not reader.active:
            raise DesignError(f"There is no active reader named {normal_name(username)!r}.")
        if judges(session, study, reader):
            raise DesignError(f"{reader.username} judges in study {study.name} and cannot read in it.")
        if session.get(EnrolmentRecord, (study.id, reader.id)) is None:
            enrol(database, session, study, reader, actor_id)


def _study_to_read(session: Session, name: str) -> StudyRecord:
    study = study_named(session, name)
    if study.state not in ("draft", "open"):
        raise DesignError(f"Study {study.name} is {study.state}; nobody starts to read it any more.")
    return study


def allocate_readers(database: Database, session: Session, study: StudyRecord, actor_id: str) -> int:
    """Do what ``allocate`` does, inside the caller's transaction."""
    accounts = session.scalars(
        select(UserRecord).where(UserRecord.role == "reader").order_by(UserRecord.created_at)
    )
    readers = [reader for reader in accounts if may_read(session, study, reader)]
    named = config_of(study)["readers"]
    if named not in (ALL_READERS, INVITED_READERS):
        here = {reader.username for reader in readers}
        if absent := [name for name in named if normal_name(name) not in here]:
            raise DesignError(
                f"Study {study.name} names readers without an active account: {', '.join(absent)}."
            )
    enrolled = set(
        session.scalars(select(EnrolmentRecord.reader_id).where(EnrolmentRecord.study_id == study.id))
    )
    new = [reader for reader in readers if reader.id not in enrolled]
    for reader in new:
        enrol(database, session, study, reader, actor_id)
    return len(new)


def enrol(
    database: Database, session: Session, study: StudyRecord, reader: UserRecord, actor_id: str
) -> EnrolmentRecord:
    """Give a reader the next ordinal, a sequence of arms, a block of cases, and a stored order.

    Sequence and block are those with the fewest readers of the same site, then the fewest of all
    (minimisation, Pocock and Simon, Biometrics 1975); ties are drawn.
    """
    taken = session.execute(
        select(EnrolmentRecord, UserRecord.site)
        .join(UserRecord, UserRecord.id == EnrolmentRecord.reader_id)
        .where(EnrolmentRecord.study_id == study.id)
    ).all()
    ordinal = max((row.ordinal for row, _ in taken), default=0) + 1
    sequences = sorted(
        set(session.scalars(select(PeriodRecord.sequence).where(PeriodRecord.study_id == study.id)))
    )
    blocks: Sequence[int | None] = [None]
    if (number := config_of(study)["blocks"]) > 1:
        blocks = range(1, number + 1)
    everywhere = Counter((row.sequence, row.block) for row, _ in taken)
    here = Counter((row.sequence, row.block) for row, site in taken if site == reader.site)
    cells = [(sequence, block) for block in blocks for sequence in sequences]
    least = min((here[cell], everywhere[cell]) for cell in cells)
    open_cells = [cell for cell in cells if (here[cell], everywhere[cell]) == least]
    drawn = np.random.default_rng((study.seed, ordinal, 0)).integers(len(open_cells))
    sequence, block = open_cells[int(drawn)]
    enrolment = EnrolmentRecord(
        study_id=study.id,
        reader_id=reader.id,
        ordinal=ordinal,
        sequence=sequence,
        block=block,
        enrolled_at=database.clock(),
    )
    session.add(enrolment)
    session.flush()
    _extend_order(database, session, study, enrolment, actor_id)
    return enrolment


def extend_orders(database: Database, session: Session, study: StudyRecord, actor_id: str) -> None:
    """Append cases that came later to the order of every reader."""
    query = select(EnrolmentRecord).where(EnrolmentRecord.study_id == study.id)
    for enrolment in session.scalars(query.order_by(EnrolmentRecord.ordinal)).all():
        _extend_order(database, session, study, enrolment, actor_id)


def _extend_order(
    database: Database, session: Session, study: StudyRecord, enrolment: EnrolmentRecord, actor_id: str
) -> None:
    """Append every case that a reader's order lacks, in a drawn order, after the cases that it has."""
    mine = (AssignmentRecord.study_id == study.id) & (AssignmentRecord.reader_id == enrolment.reader_id)
    cases = [
        case
        for case in session.scalars(
            select(CaseRecord).where(CaseRecord.study_id == study.id).order_by(CaseRecord.position)
        )
        if case.practice or case.block == enrolment.block
    ]
    arms_met: set[int] = set()
    periods = periods_of(session, study, enrolment.sequence)
    for period, arm_id in periods.items():
        query = select(AssignmentRecord.case_id).where(mine, AssignmentRecord.period == period)
        placed = list(session.scalars(query))
        practised = arm_id in arms_met
        arms_met.add(arm_id)
        missing = [case for case in cases if case.id not in placed]
        practice = [case for case in missing if case.practice and not practised]
        counted = [case for case in missing if not case.practice]
        drawn_in = 1 if study.design == "sequential" else period
        seed = (study.seed, enrolment.ordinal, drawn_in, len(placed))
        showings = _draw(study, counted, 0 if placed else config_of(study)["repeats"], seed)
        places = [(case, 0) for case in practice] + [(counted[each.index], each.repeat) for each in showings]
        for position, (case, repeat) in enumerate(places, len(placed) + 1):
            session.add(
                AssignmentRecord(
                    study_id=study.id,
                    reader_id=enrolment.reader_id,
                    period=period,
                    position=position,
                    case_id=case.id,
                    arm_id=arm_id,
                    repeat=repeat,
                )
            )
    session.flush()
    _note_order(database, session, study, enrolment, actor_id)


def _draw(
    study: StudyRecord, cases: Sequence[CaseRecord], repeats: int, seed: Sequence[int]
) -> list[Showing]:
    by = config_of(study)["stratify_by"]
    strata = [stratum(by, case.rare, case.site, [row.diagnosis for row in case.reference]) for case in cases]
    return order(strata, repeats, seed)


def _note_order(
    database: Database, session: Session, study: StudyRecord, enrolment: EnrolmentRecord, actor_id: str
) -> None:
    mine = (AssignmentRecord.study_id == study.id) & (AssignmentRecord.reader_id == enrolment.reader_id)
    rows = session.scalars(select(AssignmentRecord).where(mine)).all()
    code = session.get_one(UserRecord, enrolment.reader_id).code
    audit.append(
        session,
        at=database.clock(),
        actor_id=actor_id,
        action="allocate",
        subject=integrity.order_subject(study, code),
        details={
            "digest": integrity.order_digest(rows),
            "procedure": PROCEDURE,
            "seed": study.seed,
            "ordinal": enrolment.ordinal,
            "sequence": enrolment.sequence,
            "block": enrolment.block,
            "places": len(rows),
        },
    )
