"""Tokens: the right of one reader to see and answer one case, unguessable, expiring, kept only as a hash."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study.errors import ConductError
from reader_study.records import (
    ArmRecord,
    AssignmentRecord,
    CaseRecord,
    StudyRecord,
    TokenRecord,
    UserRecord,
)
from reader_study.roles import must_be_reader, require_reader

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
    reader: UserRecord


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
        NotAllowed: the account is not an active reader (any more).
    """
    if not isinstance(token, str) or not 20 <= len(token) <= 100:
        raise ConductError(STALE)
    query = (
        select(TokenRecord, AssignmentRecord, CaseRecord, ArmRecord, StudyRecord, UserRecord)
        .join(AssignmentRecord, AssignmentRecord.id == TokenRecord.assignment_id)
        .join(CaseRecord, CaseRecord.id == AssignmentRecord.case_id)
        .join(ArmRecord, ArmRecord.id == AssignmentRecord.arm_id)
        .join(StudyRecord, StudyRecord.id == AssignmentRecord.study_id)
        .join(UserRecord, UserRecord.id == TokenRecord.reader_id)
        .where(TokenRecord.token_hash == token_hash(token), TokenRecord.reader_id == reader_id)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        require_reader(session, reader_id)
        raise ConductError(STALE)
    record, assignment, case, arm, study, reader = found
    must_be_reader(reader)
    return Grant(
        token_hash=record.token_hash,
        issued_at=record.issued_at,
        expires_at=record.expires_at,
        purpose=record.purpose,
        assignment=assignment,
        case=case,
        arm=arm,
        study=study,
        reader=reader,
    )
