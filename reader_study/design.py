"""The design of a study: cases, arms and periods, and each reader's order of cases, drawn once and stored."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reader_study import audit, integrity
from reader_study.accounts import normal_name, require_role
from reader_study.audit import SYSTEM
from reader_study.case_list import StudyCase, check_cases, image_sha256
from reader_study.database import Database
from reader_study.errors import DesignError
from reader_study.protocol import ALL_READERS, Protocol
from reader_study.records import (
    ArmRecord,
    AssignmentRecord,
    CaseRecord,
    EnrolmentRecord,
    PeriodRecord,
    ReferenceRecord,
    StudyRecord,
    UserRecord,
)
from retizero.knowledge import label_set

UNAIDED = "unaided"
DESIGNERS = ("manager",)


def create_study(
    database: Database, protocol: Protocol, cases: Sequence[StudyCase], *, actor_id: str = SYSTEM
) -> str:
    """Store a new study in the state ``draft``.

    Returns:
        The study's name.

    Raises:
        DesignError: the name is taken, a case cannot be used, or no case enters the analysis.
        NotAllowed: the actor is neither manager nor administrator.
    """
    check_cases(cases)
    if all(case.practice for case in cases):
        raise DesignError("A study needs at least one case that is not for practice.")
    labels = label_set(protocol.label_set)
    digests = [image_sha256(case.image) for case in cases]
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        if session.scalar(select(StudyRecord.id).where(StudyRecord.name == protocol.name)):
            raise DesignError(f"There is already a study named {protocol.name!r}.")
        study = StudyRecord(
            name=protocol.name,
            title=protocol.title,
            protocol_version=protocol.version,
            state="draft",
            design="single",
            label_set=labels.name,
            label_set_version=labels.version,
            k=protocol.k,
            confidence_levels=protocol.confidence_levels,
            wash_out_days=protocol.wash_out_days,
            seed=protocol.seed,
            synthetic=protocol.synthetic,
            config=protocol.config,
            created_at=database.clock(),
        )
        session.add(study)
        session.flush()
        arm = ArmRecord(study_id=study.id, name=UNAIDED, shows_model=False)
        session.add(arm)
        session.flush()
        for number in range(1, protocol.periods + 1):
            session.add(PeriodRecord(study_id=study.id, sequence=1, number=number, arm_id=arm.id))
        _store_cases(session, study, cases, digests)
        _note_cases(database, session, study, actor_id, "create_study")
        return study.name


def append_cases(
    database: Database, study_name: str, cases: Sequence[StudyCase], *, actor_id: str = SYSTEM
) -> int:
    """Add cases at the end; no stored order changes before them.

    A draft takes them before its predictions are frozen; an open study only without a model and with one
    period.

    Returns:
        How many cases the study has now.

    Raises:
        DesignError: a case cannot be used, is already there, or the study takes no more cases.
    """
    check_cases(cases)
    digests = [image_sha256(case.image) for case in cases]
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = study_named(session, study_name)
        fits_open = study.state == "open" and study.model_identity is None and study.config["periods"] == 1
        fits_draft = study.state == "draft" and study.model_identity is None
        if not fits_draft and not fits_open:
            raise DesignError(
                f"Study {study.name} is {study.state} and takes no more cases (its periods or "
                "predictions are fixed)."
            )
        here = set(session.scalars(select(CaseRecord.code).where(CaseRecord.study_id == study.id)))
        if twice := sorted(case.case_id for case in cases if case.case_id in here):
            raise DesignError(f"Study {study.name} already has the cases {', '.join(twice)}.")
        _store_cases(session, study, cases, digests)
        _note_cases(database, session, study, actor_id, "append_cases")
        for enrolment in session.scalars(select(EnrolmentRecord).where(EnrolmentRecord.study_id == study.id)):
            _extend_order(database, session, study, enrolment, actor_id)
        return len(here) + len(cases)


def _store_cases(
    session: Session, study: StudyRecord, cases: Sequence[StudyCase], digests: Sequence[str]
) -> None:
    last = session.scalar(select(func.max(CaseRecord.position)).where(CaseRecord.study_id == study.id)) or 0
    for position, (case, sha256) in enumerate(zip(cases, digests, strict=True), last + 1):
        record = CaseRecord(
            study_id=study.id,
            code=case.case_id,
            position=position,
            image_path=str(case.image.resolve()),
            image_sha256=sha256,
            rare=case.rare,
            site=case.site,
            practice=case.practice,
            extra=dict(case.extra),
        )
        record.reference = [
            ReferenceRecord(position=number, diagnosis=truth, established_by=case.established_by)
            for number, truth in enumerate(case.truths, 1)
        ]
        session.add(record)
    session.flush()


def _note_cases(database: Database, session: Session, study: StudyRecord, actor_id: str, action: str) -> None:
    cases = session.scalars(select(CaseRecord).where(CaseRecord.study_id == study.id)).all()
    audit.append(
        session,
        at=database.clock(),
        actor_id=actor_id,
        action=action,
        subject=integrity.cases_subject(study),
        details={
            "digest": integrity.cases_digest(cases),
            "cases": len(cases),
            "protocol": {
                "version": study.protocol_version,
                "label_set": [study.label_set, study.label_set_version],
                "k": study.k,
                "confidence_levels": study.confidence_levels,
                "wash_out_days": study.wash_out_days,
                "seed": study.seed,
                **study.config,
            },
        },
    )


def study_named(session: Session, name: str) -> StudyRecord:
    """The row of a study.

    Raises:
        DesignError: there is no study of that name.
    """
    study = session.scalar(select(StudyRecord).where(StudyRecord.name == name))
    if study is None:
        raise DesignError(f"There is no study named {name!r}.")
    return study


def periods_of(session: Session, study: StudyRecord, sequence: int) -> dict[int, int]:
    """The arm (by id) that a sequence meets in each period."""
    query = select(PeriodRecord).where(PeriodRecord.study_id == study.id, PeriodRecord.sequence == sequence)
    return {row.number: row.arm_id for row in session.scalars(query.order_by(PeriodRecord.number))}


def may_read(study: StudyRecord, reader: UserRecord) -> bool:
    """Whether the protocol counts this account among the study's readers."""
    if reader.role != "reader" or not reader.active or (reader.simulated and not study.synthetic):
        return False
    readers = study.config["readers"]
    return readers == ALL_READERS or reader.username in [normal_name(name) for name in readers]


def allocate(database: Database, study_name: str, *, actor_id: str = SYSTEM) -> int:
    """Draw and store the order of cases of every reader of the study who has none yet.

    Returns:
        How many readers were given an order now.

    Raises:
        DesignError: the study is past its reading, or names readers who have no account.
    """
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = study_named(session, study_name)
        if study.state not in ("draft", "open"):
            raise DesignError(f"Study {study.name} is {study.state}; nobody starts to read it any more.")
        return allocate_readers(database, session, study, actor_id)


def allocate_readers(database: Database, session: Session, study: StudyRecord, actor_id: str) -> int:
    """Do what ``allocate`` does, inside the caller's transaction."""
    accounts = session.scalars(
        select(UserRecord).where(UserRecord.role == "reader").order_by(UserRecord.created_at)
    )
    readers = [reader for reader in accounts if may_read(study, reader)]
    named = study.config["readers"]
    if named != ALL_READERS:
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
    """Give a reader the next ordinal, the sequence with the fewest readers, and a stored order."""
    taken = session.scalars(select(EnrolmentRecord).where(EnrolmentRecord.study_id == study.id)).all()
    sequences = session.scalars(select(PeriodRecord.sequence).where(PeriodRecord.study_id == study.id)).all()
    counts = {sequence: sum(row.sequence == sequence for row in taken) for sequence in sorted(set(sequences))}
    enrolment = EnrolmentRecord(
        study_id=study.id,
        reader_id=reader.id,
        ordinal=max((row.ordinal for row in taken), default=0) + 1,
        sequence=min(counts, key=lambda sequence: (counts[sequence], sequence)),
        enrolled_at=database.clock(),
    )
    session.add(enrolment)
    session.flush()
    _extend_order(database, session, study, enrolment, actor_id)
    return enrolment


def _extend_order(
    database: Database, session: Session, study: StudyRecord, enrolment: EnrolmentRecord, actor_id: str
) -> None:
    """Append every case that a reader's order lacks, in a drawn order, after the cases that it has.

    The generator is seeded with (study seed, reader's ordinal, period, number of cases placed before);
    practice cases come first in the first period, in the order of the case list.
    """
    cases = session.scalars(
        select(CaseRecord).where(CaseRecord.study_id == study.id).order_by(CaseRecord.position)
    ).all()
    mine = (AssignmentRecord.study_id == study.id) & (AssignmentRecord.reader_id == enrolment.reader_id)
    for period, arm_id in periods_of(session, study, enrolment.sequence).items():
        placed = set(
            session.scalars(select(AssignmentRecord.case_id).where(mine, AssignmentRecord.period == period))
        )
        practice = [case for case in cases if case.practice and case.id not in placed and period == 1]
        counted = [case for case in cases if not case.practice and case.id not in placed]
        seed = (study.seed, enrolment.ordinal, period, len(placed))
        drawn = np.random.default_rng(seed).permutation(len(counted))
        order = practice + [counted[index] for index in drawn]
        for position, case in enumerate(order, len(placed) + 1):
            session.add(
                AssignmentRecord(
                    study_id=study.id,
                    reader_id=enrolment.reader_id,
                    period=period,
                    position=position,
                    case_id=case.id,
                    arm_id=arm_id,
                    repeat=0,
                )
            )
    session.flush()
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
            "ordinal": enrolment.ordinal,
            "sequence": enrolment.sequence,
            "places": len(rows),
        },
    )
