"""The reference standard by a panel: members vote blind to each other, the majority or the chair decides.

Members see photographs and nothing else. A case is agreed on when more than half of the panel's votes name
the same primary diagnosis; what is not agreed on, the manager settles after the panel has conferred.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import adjudication, audit, integrity
from reader_study.answers import clean
from reader_study.audit import SYSTEM
from reader_study.case_list import image_sha256
from reader_study.database import Database
from reader_study.design import freeze_accepted, note_cases
from reader_study.errors import DesignError, StudyError
from reader_study.records import AdjudicatorRecord, CaseRecord, PanelVoteRecord, ReferenceRecord, StudyRecord
from reader_study.roles import require_role
from reader_study.studies import DESIGNERS, study_named

PANEL = "reference"
FEWEST_VOTES = 2


@dataclass(frozen=True)
class PanelCase:
    """A case that waits for a member's vote; the key says nothing about it."""

    study: str
    key: str
    number: int
    total: int


@dataclass(frozen=True)
class PanelCaseStatus:
    """How a case stands: ``agreed`` is the primary diagnosis of the majority, ``settled`` what is stored."""

    case: str
    votes: int
    named: tuple[tuple[str, int], ...]
    agreed: str | None
    settled: tuple[str, ...]


def assign_panelist(database: Database, study_name: str, username: str, *, actor_id: str = SYSTEM) -> None:
    """Make somebody who does not read in the study a member of its panel."""
    adjudication.assign_adjudicator(database, study_name, username, task=PANEL, actor_id=actor_id)


def panelists(database: Database, study_name: str, *, actor_id: str = SYSTEM) -> tuple[str, ...]:
    """The user names of the panel's members."""
    return adjudication.adjudicators(database, study_name, task=PANEL, actor_id=actor_id)


def next_case(database: Database, panelist_id: str, study_name: str) -> PanelCase | None:
    """The next case without this member's vote; each member has an order of their own.

    Raises:
        NotAllowed: the account is not a member of this study's panel.
    """
    with database.session() as session:
        study = study_named(session, study_name)
        adjudication.require_judge(session, study, panelist_id, PANEL)
        keys = {_key(study, case, panelist_id): case for case in _open_cases(session, study)}
        voted = _voted(session, panelist_id)
        left = sorted(key for key, case in keys.items() if case.id not in voted)
        if study.state != "draft" or not left:
            return None
        return PanelCase(study.name, left[0], len(keys) - len(left) + 1, len(keys))


def image_for(database: Database, panelist_id: str, study_name: str, key: str) -> Path:
    """The photograph of a case that waits for this member's vote.

    Raises:
        StudyError: there is no such case, or its file was changed.
        NotAllowed: the account is not a member of this study's panel.
    """
    with database.session() as session:
        study = study_named(session, study_name)
        adjudication.require_judge(session, study, panelist_id, PANEL)
        case = _case(session, study, panelist_id, key)
        path = Path(case.image_path)
        try:
            unchanged = image_sha256(path) == case.image_sha256
        except OSError:
            unchanged = False
        if not unchanged:
            raise StudyError(
                "The photograph of this case is missing or was changed; tell the study's manager."
            )
        return path


def vote(
    database: Database,
    panelist_id: str,
    study_name: str,
    key: str,
    diagnoses: Sequence[str],
    comment: str = "",
) -> None:
    """Store one member's vote on a case, the primary diagnosis first; it cannot be changed.

    Raises:
        StudyError: there is no such case, it has this member's vote, or a diagnosis is unknown.
        NotAllowed: the account is not a member of this study's panel.
    """
    remark = clean(comment, "The comment", 2000, lines=True)
    with database.transaction() as session:
        study = study_named(session, study_name)
        member = adjudication.require_judge(session, study, panelist_id, PANEL)
        case = _case(session, study, panelist_id, key)
        row = PanelVoteRecord(
            study_id=study.id,
            case_id=case.id,
            panelist_id=member.id,
            diagnoses=_diagnoses(study, diagnoses),
            comment=remark,
            at=database.clock(),
        )
        session.add(row)
        session.flush()
        audit.append(
            session,
            at=row.at,
            actor_id=panelist_id,
            action="vote",
            subject=integrity.row_subject(row),
            details={"digest": integrity.row_digest(row), "study": study.name, "member": member.code},
        )


def panel_status(
    database: Database, study_name: str, *, actor_id: str = SYSTEM
) -> tuple[PanelCaseStatus, ...]:
    """How every case of a panel's study stands, for its manager."""
    with database.session() as session:
        require_role(session, actor_id, DESIGNERS)
        study = study_named(session, study_name)
        members = _members(session, study)
        return tuple(_status(session, case, members) for case in _cases(session, study))


def settle(
    database: Database,
    study_name: str,
    case_id: str,
    diagnoses: Sequence[str],
    *,
    established_by: str = "panel, after conferring",
    actor_id: str = SYSTEM,
) -> None:
    """Store the reference standard of a case that the votes did not agree on.

    Raises:
        DesignError: the study is no draft, or has no such case without a reference standard.
        NotAllowed: the actor is neither manager nor administrator.
    """
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = _draft(session, study_name)
        case = next((case for case in _open_cases(session, study) if case.code == case_id), None)
        if case is None:
            raise DesignError(
                f"Study {study.name} has no case {case_id!r} that waits for a reference standard."
            )
        _establish(session, study, case, _diagnoses(study, diagnoses), established_by)
        note_cases(database, session, study, actor_id, "settle_reference")


def close_panel(database: Database, study_name: str, *, actor_id: str = SYSTEM) -> tuple[str, ...]:
    """Make the majority's diagnoses the reference standard.

    Returns:
        The cases that are not agreed on; ``settle`` them.

    Raises:
        DesignError: the study is no draft, or a member has not voted on every case.
        NotAllowed: the actor is neither manager nor administrator.
    """
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = _draft(session, study_name)
        members = _members(session, study)
        if members < FEWEST_VOTES:
            raise DesignError(f"A panel has at least {FEWEST_VOTES} members.")
        cases = _open_cases(session, study)
        found = {case.code: _status(session, case, members) for case in cases}
        if missing := [code for code, status in found.items() if status.votes < members]:
            raise DesignError(f"Votes are missing on {len(missing)} cases: {', '.join(missing[:10])}.")
        differ = []
        for case in cases:
            status = found[case.code]
            if status.agreed is None:
                differ.append(case.code)
                continue
            named = f"panel, {dict(status.named)[status.agreed]} of {members}"
            _establish(session, study, case, [status.agreed, *_seconds(session, case, members)], named)
        note_cases(database, session, study, actor_id, "close_panel")
        return tuple(differ)


def _status(session: Session, case: CaseRecord, members: int) -> PanelCaseStatus:
    votes = session.scalars(select(PanelVoteRecord).where(PanelVoteRecord.case_id == case.id)).all()
    named = Counter(vote.diagnoses[0] for vote in votes).most_common()
    agreed = named[0][0] if named and named[0][1] * 2 > members else None
    settled = tuple(row.diagnosis for row in case.reference)
    return PanelCaseStatus(case.code, len(votes), tuple(named), agreed, settled)


def _seconds(session: Session, case: CaseRecord, members: int) -> list[str]:
    """Further diagnoses that more than half of the panel named beside the primary one."""
    votes = session.scalars(select(PanelVoteRecord).where(PanelVoteRecord.case_id == case.id)).all()
    primary = Counter(vote.diagnoses[0] for vote in votes).most_common(1)[0][0]
    named = Counter(name for vote in votes for name in vote.diagnoses if name != primary)
    return [name for name, count in named.most_common() if count * 2 > members]


def _establish(
    session: Session, study: StudyRecord, case: CaseRecord, diagnoses: Sequence[str], by: str
) -> None:
    case.reference = [
        ReferenceRecord(position=number, diagnosis=name, established_by=by[:200])
        for number, name in enumerate(diagnoses, 1)
    ]
    freeze_accepted(study, diagnoses)
    session.flush()


def _diagnoses(study: StudyRecord, names: Sequence[str]) -> list[str]:
    if isinstance(names, str) or not 1 <= len(names) <= 10:
        raise StudyError("Name 1 to 10 diagnoses, the primary one first.")
    found = [adjudication.label_of(study, name) for name in names]
    if len(set(found)) < len(found):
        raise StudyError("A diagnosis is named twice.")
    return found


def _draft(session: Session, study_name: str) -> StudyRecord:
    study = study_named(session, study_name)
    if study.state != "draft":
        raise DesignError(f"Study {study.name} is {study.state}; its reference standard is fixed.")
    return study


def _cases(session: Session, study: StudyRecord) -> list[CaseRecord]:
    query = select(CaseRecord).where(CaseRecord.study_id == study.id).order_by(CaseRecord.position)
    return list(session.scalars(query))


def _open_cases(session: Session, study: StudyRecord) -> list[CaseRecord]:
    return [case for case in _cases(session, study) if not case.reference]


def _members(session: Session, study: StudyRecord) -> int:
    query = select(AdjudicatorRecord).where(
        AdjudicatorRecord.study_id == study.id, AdjudicatorRecord.task == PANEL
    )
    return len(session.scalars(query).all())


def _voted(session: Session, panelist_id: str) -> set[int]:
    query = select(PanelVoteRecord.case_id).where(PanelVoteRecord.panelist_id == panelist_id)
    return set(session.scalars(query))


def _key(study: StudyRecord, case: CaseRecord, panelist_id: str) -> str:
    """A name of the case for one member, in an order of its own."""
    text = f"{study.seed}:{study.id}:{case.id}:{panelist_id}:{case.image_sha256}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _case(session: Session, study: StudyRecord, panelist_id: str, key: str) -> CaseRecord:
    voted = _voted(session, panelist_id)
    for case in _open_cases(session, study):
        if _key(study, case, panelist_id) == key and case.id not in voted and study.state == "draft":
            return case
    raise StudyError("This case does not wait for your vote (any more).")
