"""Tokens: the right of one reader to see and answer one case, unguessable, expiring, kept only as a hash."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study.errors import ConductError
from reader_study.records import ArmRecord, AssignmentRecord, CaseRecord, StudyRecord, TokenRecord

TOKEN_LIFE = timedelta(hours=12)
STALE = "This page of the study is no longer valid; load it again to go on with your next case."


@dataclass(frozen=True)
class Grant:
    """What a token stands for; holding the rows keeps the session from fetching them again."""

    token_hash: str
    issued_at: datetime
    expires_at: datetime
    purpose: str
    assignment: AssignmentRecord
    case: CaseRecord
    arm: ArmRecord
    study: StudyRecord


def issue(session: Session, assignment: AssignmentRecord, now: datetime, purpose: str = "reading") -> str:
    """Make a token for an assignment; its 256 random bits are returned here and stored nowhere."""
    token = secrets.token_urlsafe(32)
    session.add(
        TokenRecord(
            token_hash=token_hash(token),
            assignment_id=assignment.id,
            reader_id=assignment.reader_id,
            issued_at=now,
            expires_at=now + TOKEN_LIFE,
            purpose=purpose,
        )
    )
    session.flush()
    return token


def token_hash(token: str) -> str:
    """The SHA-256 under which a token is kept."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def redeem(session: Session, reader_id: str, token: object) -> Grant:
    """What the token stands for, if it is this reader's; expiry is the caller's to judge.

    Raises:
        ConductError: no such token, or another reader's; the two cannot be told apart.
    """
    if not isinstance(token, str) or not 20 <= len(token) <= 100:
        raise ConductError(STALE)
    query = (
        select(TokenRecord, AssignmentRecord, CaseRecord, ArmRecord, StudyRecord)
        .join(AssignmentRecord, AssignmentRecord.id == TokenRecord.assignment_id)
        .join(CaseRecord, CaseRecord.id == AssignmentRecord.case_id)
        .join(ArmRecord, ArmRecord.id == AssignmentRecord.arm_id)
        .join(StudyRecord, StudyRecord.id == AssignmentRecord.study_id)
        .where(TokenRecord.token_hash == token_hash(token), TokenRecord.reader_id == reader_id)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise ConductError(STALE)
    record, assignment, case, arm, study = found
    return Grant(
        record.token_hash, record.issued_at, record.expires_at, record.purpose, assignment, case, arm, study
    )
