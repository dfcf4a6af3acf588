"""Invitations: links that make one account, or set one password anew, once and for a limited time.

Only the SHA-256 of a link's token is kept, so that nobody who reads the database can use one.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import accounts, audit
from reader_study.accounts import NewAccount, User, as_user
from reader_study.allocation import enrol
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import AccountError, InvitationRefused
from reader_study.passwords import hash_password
from reader_study.records import EnrolmentRecord, InvitationRecord, StudyRecord, UserRecord
from reader_study.roles import may_manage, require_role
from reader_study.studies import DESIGNERS, study_named
from reader_study.tokens import token_hash

LONGEST_DAYS = 90


@dataclass(frozen=True)
class Invitation:
    """A new link: the token is told here and kept nowhere."""

    id: int
    token: str = field(repr=False)
    role: str
    site: str
    study: str | None
    expires_at: datetime


@dataclass(frozen=True)
class InvitationFacts:
    """What the page of a link says; ``username`` is set where a password is set anew."""

    role: str
    site: str
    study_title: str | None
    username: str | None
    expires_at: datetime


@dataclass(frozen=True)
class InvitationStatus:
    """A link as those who run the study see it: ``standing`` is open, used, expired or revoked."""

    id: int
    role: str
    site: str
    study: str | None
    username: str | None
    created_at: datetime
    expires_at: datetime
    standing: str


def invite(
    database: Database,
    *,
    role: str = "reader",
    site: str = "",
    study: str | None = None,
    days: int = 14,
    actor_id: str = SYSTEM,
) -> Invitation:
    """Make a link for one new account; who accepts it for a study is enrolled there.

    Raises:
        AccountError: role, site or days cannot be used.
        DesignError: there is no such study.
        NotAllowed: the actor may not add accounts of this role.
    """
    NewAccount("placeholder", None, role, site).check()
    with database.transaction() as session:
        actor = require_role(session, actor_id, DESIGNERS)
        may_manage(actor, role)
        study_id = study_named(session, study).id if study is not None else None
        return _issue(database, session, actor_id, role, site, days, study_id=study_id, study=study)


def reset_link(database: Database, username: str, *, days: int = 2, actor_id: str = SYSTEM) -> Invitation:
    """Make a link by which the owner of an account sets a new password.

    Raises:
        AccountError: there is no such active account.
        NotAllowed: the actor may not manage accounts of its role.
    """
    with database.transaction() as session:
        actor = require_role(session, actor_id, DESIGNERS)
        user = accounts.by_name(session, username)
        may_manage(actor, user.role)
        if not user.active or user.simulated:
            raise AccountError(f"{user.username} is no account that somebody signs in to.")
        return _issue(database, session, actor_id, user.role, user.site, days, user_id=user.id)


def look_up(database: Database, token: str) -> InvitationFacts:
    """What a link is for.

    Raises:
        InvitationRefused: it is unknown, used, revoked or expired.
    """
    with database.session() as session:
        row = _valid(database, session, token)
        study = session.get(StudyRecord, row.study_id) if row.study_id is not None else None
        user = session.get(UserRecord, row.user_id) if row.user_id is not None else None
        return InvitationFacts(
            role=row.role,
            site=row.site,
            study_title=study.title if study is not None else None,
            username=user.username if user is not None else None,
            expires_at=row.expires_at,
        )


def accept(
    database: Database, token: str, username: str, password: str, *, name: str = "", email: str = ""
) -> User:
    """Use a link: make the account that it is for, or set that account's password anew.

    Raises:
        InvitationRefused: it is unknown, used, revoked or expired; two who use it at once get one account.
        AccountError: the user name is taken or cannot be used, or the password is too weak.
    """
    password_hash = hash_password(database.hasher, password)
    with database.transaction() as session:
        row = _valid(database, session, token)
        if row.user_id is not None:
            user = session.get_one(UserRecord, row.user_id)
            accounts.set_password(database, session, user, password_hash)
        else:
            account = NewAccount(username, password, row.role, row.site, name, email)
            account.check()
            made = accounts.insert_user(database, session, account, password_hash, row.created_by)
            user = session.get_one(UserRecord, made.id)
        row.used_at, row.used_by = database.clock(), user.id
        if row.study_id is not None and user.role == "reader":
            study = session.get_one(StudyRecord, row.study_id)
            enrolled = session.get(EnrolmentRecord, (study.id, user.id)) is not None
            if study.state in ("draft", "open") and not enrolled:
                enrol(database, session, study, user, user.id)
        _note(database, session, user.id, "accept_invitation", row, user=user.code)
        return as_user(user)


def list_invitations(database: Database, *, actor_id: str = SYSTEM) -> tuple[InvitationStatus, ...]:
    """Every link that was made, newest first."""
    now = database.clock()
    with database.session() as session:
        require_role(session, actor_id, DESIGNERS)
        query = (
            select(InvitationRecord, StudyRecord.name, UserRecord.username)
            .outerjoin(StudyRecord, StudyRecord.id == InvitationRecord.study_id)
            .outerjoin(UserRecord, UserRecord.id == InvitationRecord.user_id)
            .order_by(InvitationRecord.id.desc())
        )
        return tuple(
            InvitationStatus(
                row.id,
                row.role,
                row.site,
                study,
                username,
                row.created_at,
                row.expires_at,
                _standing(row, now),
            )
            for row, study, username in session.execute(query)
        )


def revoke(database: Database, invitation_id: int, *, actor_id: str = SYSTEM) -> None:
    """Take an unused link back; one that is used or gone is left as it is."""
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        row = session.get(InvitationRecord, invitation_id)
        if row is not None and row.used_at is None and row.revoked_at is None:
            row.revoked_at = database.clock()
            _note(database, session, actor_id, "revoke_invitation", row)


def _issue(
    database: Database,
    session: Session,
    actor_id: str,
    role: str,
    site: str,
    days: int,
    *,
    study_id: int | None = None,
    study: str | None = None,
    user_id: str | None = None,
) -> Invitation:
    if not 1 <= days <= LONGEST_DAYS:
        raise AccountError(f"A link is valid for 1 to {LONGEST_DAYS} days.")
    token = secrets.token_urlsafe(32)
    now = database.clock()
    row = InvitationRecord(
        token_hash=token_hash(token),
        role=role,
        site=site,
        study_id=study_id,
        user_id=user_id,
        created_by=actor_id,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(row)
    session.flush()
    _note(database, session, actor_id, "invite", row, role=role, site=site, resets=user_id)
    return Invitation(row.id, token, role, site, study, row.expires_at)


def _valid(database: Database, session: Session, token: object) -> InvitationRecord:
    if not isinstance(token, str) or not 20 <= len(token) <= 100:
        raise InvitationRefused
    query = select(InvitationRecord).where(InvitationRecord.token_hash == token_hash(token))
    row = session.scalar(query)
    if row is None or _standing(row, database.clock()) != "open":
        raise InvitationRefused
    if row.user_id is not None and not session.get_one(UserRecord, row.user_id).active:
        raise InvitationRefused
    return row


def _standing(row: InvitationRecord, now: datetime) -> str:
    if row.used_at is not None:
        return "used"
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if now >= row.expires_at else "open"


def _note(
    database: Database,
    session: Session,
    actor_id: str,
    action: str,
    row: InvitationRecord,
    **details: object,
) -> None:
    audit.append(
        session,
        at=database.clock(),
        actor_id=actor_id,
        action=action,
        subject=f"invitation {row.id}",
        details=details,
    )
