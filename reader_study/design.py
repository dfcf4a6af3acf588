"""The design of a study: its protocol, arms, periods and cases as they are stored."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reader_study import audit, integrity, vocabulary
from reader_study.allocation import allocate, extend_orders
from reader_study.audit import SYSTEM
from reader_study.case_list import StudyCase, check_cases, image_sha256
from reader_study.database import Database
from reader_study.drawing import deal, most_repeats
from reader_study.errors import DesignError
from reader_study.protocol import AIDED, UNAIDED, Protocol, config_of
from reader_study.records import ArmRecord, CaseRecord, PeriodRecord, ReferenceRecord, StudyRecord
from reader_study.roles import require_role
from reader_study.studies import DESIGNERS, periods_of, stratum, study_named
from retizero.knowledge import label_set

BLOCK_DRAW = 1_000_001  # in the place of a reader's ordinal


def create_study(
    database: Database, protocol: Protocol, cases: Sequence[StudyCase], *, actor_id: str = SYSTEM
) -> str:
    """Store a new study in the state ``draft``.

    Returns:
        The study's name.

    Raises:
        DesignError: the name is taken, a case cannot be used, or there are too few for the design.
        NotAllowed: the actor is neither manager nor administrator.
    """
    check_cases(cases, truth_needed=protocol.reference == "import")
    _check_numbers(protocol, sum(not case.practice for case in cases))
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
            design=protocol.design,
            label_set=labels.name,
            label_set_version=labels.version,
            k=protocol.k,
            confidence_levels=protocol.confidence_levels,
            wash_out_days=protocol.wash_out_days,
            seed=protocol.seed,
            synthetic=protocol.synthetic,
            config=protocol.config,
            vocabulary=vocabulary.freeze(labels, (), protocol.rule),
            created_at=database.clock(),
        )
        session.add(study)
        session.flush()
        _store_periods(session, study, protocol)
        _store_cases(session, study, cases, digests)
        note_cases(database, session, study, actor_id, "create_study")
        return study.name


def _check_numbers(protocol: Protocol, counted: int) -> None:
    if not counted:
        raise DesignError("A study needs at least one case that is not for practice.")
    if counted < protocol.blocks:
        raise DesignError(f"{counted} cases cannot be dealt into {protocol.blocks} blocks.")
    most = most_repeats(counted // protocol.blocks)
    if protocol.repeats > most:
        raise DesignError(
            f"With {counted} cases in {protocol.blocks} block(s), at most {most} can be shown a second time."
        )


def _store_periods(session: Session, study: StudyRecord, protocol: Protocol) -> None:
    """One sequence of arms; where two arms are crossed over, both orders."""
    arms = [ArmRecord(study_id=study.id, name=name, shows_model=name == AIDED) for name in protocol.arms]
    session.add_all(arms)
    session.flush()
    if len(arms) == 1:
        sequences = [arms * protocol.periods]
    elif protocol.design == "sequential":
        sequences = [arms]
    else:
        sequences = [arms, arms[::-1]]
    for sequence, order in enumerate(sequences, 1):
        for number, arm in enumerate(order, 1):
            session.add(PeriodRecord(study_id=study.id, sequence=sequence, number=number, arm_id=arm.id))


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
    digests = [image_sha256(case.image) for case in cases if case.image.is_file()]
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = study_named(session, study_name)
        config = config_of(study)
        fits_open = study.state == "open" and study.model_identity is None and config["periods"] == 1
        fits_draft = study.state == "draft" and study.model_identity is None
        if not fits_draft and not fits_open:
            raise DesignError(
                f"Study {study.name} is {study.state} and takes no more cases (its periods or "
                "predictions are fixed)."
            )
        check_cases(cases, truth_needed=config["reference"] == "import" or fits_open)
        here = set(session.scalars(select(CaseRecord.code).where(CaseRecord.study_id == study.id)))
        if twice := sorted(case.case_id for case in cases if case.case_id in here):
            raise DesignError(f"Study {study.name} already has the cases {', '.join(twice)}.")
        _store_cases(session, study, cases, digests)
        note_cases(database, session, study, actor_id, "append_cases")
        extend_orders(database, session, study, actor_id)
        return len(here) + len(cases)


def _store_cases(
    session: Session, study: StudyRecord, cases: Sequence[StudyCase], digests: Sequence[str]
) -> None:
    last = session.scalar(select(func.max(CaseRecord.position)).where(CaseRecord.study_id == study.id)) or 0
    blocks = _blocks_for(session, study, cases)
    for position, (case, sha256, block) in enumerate(zip(cases, digests, blocks, strict=True), last + 1):
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
            block=block,
        )
        record.reference = [
            ReferenceRecord(position=number, diagnosis=truth, established_by=case.established_by)
            for number, truth in enumerate(case.truths, 1)
        ]
        session.add(record)
    session.flush()
    freeze_accepted(study, [truth for case in cases for truth in case.truths])


def freeze_accepted(study: StudyRecord, truths: Sequence[str]) -> None:
    """Store which answers are accepted for new truths; those of earlier truths stay as they are."""
    labels = vocabulary.labels_of(study)
    study.vocabulary = vocabulary.freeze(labels, truths, config_of(study)["rule"], study.vocabulary)


def _blocks_for(session: Session, study: StudyRecord, cases: Sequence[StudyCase]) -> list[int | None]:
    """The block of each new case; ``None`` where there are no blocks, or everybody practises on it."""
    config = config_of(study)
    if config["blocks"] == 1:
        return [None] * len(cases)
    by = config["stratify_by"]
    here = session.scalars(
        select(CaseRecord).where(CaseRecord.study_id == study.id, CaseRecord.block.is_not(None))
    ).all()
    dealt = [
        (
            stratum(by, case.rare, case.site, [row.diagnosis for row in case.reference]),
            block,
        )
        for case in here
        if (block := case.block) is not None
    ]
    new = [stratum(by, case.rare, case.site, case.truths) for case in cases if not case.practice]
    drawn = iter(deal(new, config["blocks"], (study.seed, BLOCK_DRAW, len(dealt)), dealt))
    return [None if case.practice else next(drawn) for case in cases]


def note_cases(database: Database, session: Session, study: StudyRecord, actor_id: str, action: str) -> None:
    """Let the audit vouch for cases, reference standard and protocol as they are now."""
    cases = session.scalars(select(CaseRecord).where(CaseRecord.study_id == study.id)).all()
    audit.append(
        session,
        at=database.clock(),
        actor_id=actor_id,
        action=action,
        subject=integrity.cases_subject(study),
        details={
            "digest": integrity.cases_digest(cases),
            "vouches": {integrity.protocol_subject(study): integrity.protocol_digest(study)},
            "cases": len(cases),
            "protocol": integrity.protocol_facts(study),
        },
    )


__all__ = [
    "DESIGNERS",
    "UNAIDED",
    "allocate",
    "append_cases",
    "create_study",
    "freeze_accepted",
    "note_cases",
    "periods_of",
    "stratum",
    "study_named",
]
