"""Everything that is kept about one account, for its owner (GDPR, articles 15 and 20).

What a reader answered is told by place in their own order, never by case, so that nothing of a study that is
still blind is told with it.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload

from reader_study.database import Database
from reader_study.errors import NotAllowed
from reader_study.records import AdjudicationRecord as Adjudication
from reader_study.records import (
    AssignmentRecord,
    AuditRecord,
    ConsentRecord,
    EnrolmentRecord,
    IdentityRecord,
    LoginAttemptRecord,
    PanelVoteRecord,
    ReadingRecord,
    SessionRecord,
    StudyRecord,
    TimingEventRecord,
    UserRecord,
)


def own_data(database: Database, user_id: str) -> dict[str, Any]:
    """What is kept about an account, as values for JSON.

    Raises:
        NotAllowed: there is no active account of this id.
    """
    with database.session() as session:
        user = session.get(UserRecord, user_id)
        if user is None or not user.active:
            raise NotAllowed("This account is not active.")
        identity = session.get(IdentityRecord, user_id)
        return {
            "account": {
                "user_id": user.id,
                "pseudonym": user.code,
                "username": user.username,
                "role": user.role,
                "created_at": user.created_at.isoformat(),
            },
            "identity": {"name": identity.name, "email": identity.email} if identity else {},
            "profile": {
                "site": user.site,
                "country": user.country,
                "specialty": user.specialty,
                "years": user.years,
            },
            "consents": [
                {"study": name, "text_sha256": row.text_sha256, "agreed_at": row.agreed_at.isoformat()}
                for row, name in _of(session, ConsentRecord.study_id, ConsentRecord.reader_id, user_id)
            ],
            "enrolments": [
                {"study": name, "enrolled_at": row.enrolled_at.isoformat()}
                for row, name in _of(session, EnrolmentRecord.study_id, EnrolmentRecord.reader_id, user_id)
            ],
            "readings": _readings(session, user_id),
            "adjudications": [
                {"study": name, "text": row.text_key, "diagnosis": row.diagnosis, "at": row.at.isoformat()}
                for row, name in _of(session, Adjudication.study_id, Adjudication.adjudicator_id, user_id)
            ],
            "panel_votes": [
                {"study": name, "diagnoses": row.diagnoses, "comment": row.comment, "at": row.at.isoformat()}
                for row, name in _of(session, PanelVoteRecord.study_id, PanelVoteRecord.panelist_id, user_id)
            ],
            "sessions": [
                {"created_at": row.created_at.isoformat(), "seen_at": row.seen_at.isoformat()}
                for row in session.scalars(select(SessionRecord).where(SessionRecord.user_id == user_id))
            ],
            "sign_ins": [
                {"at": row.at.isoformat(), "address": row.address, "succeeded": row.succeeded}
                for row in session.scalars(
                    select(LoginAttemptRecord)
                    .where(LoginAttemptRecord.account == user.username)
                    .order_by(LoginAttemptRecord.id)
                )
            ],
            "deeds": [
                {"at": at, "action": action}
                for at, action in session.execute(
                    select(AuditRecord.at, AuditRecord.action)
                    .where(AuditRecord.actor_id == user_id)
                    .order_by(AuditRecord.id)
                )
            ],
        }


def _of(
    session: Session, study_id: InstrumentedAttribute[int], owner: InstrumentedAttribute[str], user_id: str
) -> list[tuple[Any, str]]:
    """Rows of a table that one user owns, each with the name of its study."""
    query = (
        select(study_id.class_, StudyRecord.name)
        .join(StudyRecord, StudyRecord.id == study_id)
        .where(owner == user_id)
    )
    return [(row, name) for row, name in session.execute(query)]


def _readings(session: Session, user_id: str) -> list[dict[str, Any]]:
    query = (
        select(ReadingRecord, StudyRecord.name, AssignmentRecord.position)
        .join(StudyRecord, StudyRecord.id == ReadingRecord.study_id)
        .join(AssignmentRecord, AssignmentRecord.id == ReadingRecord.assignment_id)
        .where(ReadingRecord.reader_id == user_id)
        .order_by(ReadingRecord.id)
        .options(selectinload(ReadingRecord.entries))
    )
    events: dict[str, list[dict[str, str]]] = {}
    happened = (
        select(TimingEventRecord)
        .join(AssignmentRecord, AssignmentRecord.id == TimingEventRecord.assignment_id)
        .where(AssignmentRecord.reader_id == user_id)
        .order_by(TimingEventRecord.id)
    )
    for event in session.scalars(happened):
        events.setdefault(event.token_hash, []).append({"kind": event.kind, "at": event.at.isoformat()})
    return [
        {
            "study": study,
            "period": row.period,
            "number": number,
            "revision": row.revision,
            "ranks": [entry.text for entry in row.entries],
            "confidence": row.confidence,
            "comment": row.comment,
            "findings": row.findings,
            "reason": row.reason,
            "submitted_at": row.submitted_at.isoformat(),
            "events": events.get(row.token_hash, []),
        }
        for row, study, number in session.execute(query)
    ]
