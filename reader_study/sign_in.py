"""Signing in: passwords against guessing, and sessions that end when they should."""

import hashlib
import os
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from reader_study.accounts import User, as_user, normal_name
from reader_study.database import Database
from reader_study.errors import BadCredentials, LockedOut
from reader_study.passwords import password_fits
from reader_study.records import LoginAttemptRecord, SessionRecord, UserRecord

SESSION_LIFE = timedelta(hours=12)
SESSION_IDLE = timedelta(hours=4)
SEEN_EVERY = timedelta(minutes=1)

FREE_TRIES_ACCOUNT = 5
FREE_TRIES_ADDRESS = 20
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
MEMORY = timedelta(hours=24)
"""Failures older than this are forgotten (back-off as in NIST SP 800-63B, 5.2.2, with our own numbers)."""

PASSWORDS_AT_ONCE = min(4, os.cpu_count() or 1)
_TURN = threading.BoundedSemaphore(PASSWORDS_AT_ONCE)
"""A try counts as failed until its password was looked at: when a whole class behind one address signs in at
the same moment, the others wait here, uncounted. It also bounds the memory that Argon2 takes."""


@dataclass(frozen=True)
class SignedIn:
    """A new session: ``token`` goes into the cookie and is kept nowhere else."""

    token: str
    user: User
    expires_at: datetime


def sign_in(database: Database, username: str, password: str, address: str) -> SignedIn:
    """Check a password and start a session.

    A try is counted before the password is looked at, so that guesses sent in parallel count too; the time of
    an answer does not tell whether a user exists.

    Raises:
        LockedOut: too many failures of this account or from this address; even the right password waits.
        BadCredentials: user or password is wrong, or the account is disabled.
    """
    name, address = normal_name(username)[:64], address[:64]
    with _TURN:
        return _sign_in(database, name, password, address)


def _sign_in(database: Database, name: str, password: str, address: str) -> SignedIn:
    now = database.clock()
    with database.transaction() as session:
        _refuse_when_locked(session, name, address, now)
        attempt = LoginAttemptRecord(account=name, address=address, at=now, succeeded=False)
        session.add(attempt)
        record = session.scalar(select(UserRecord).where(UserRecord.username == name))
        session.flush()
        attempt_id = attempt.id
    known = record is not None and record.active
    password_hash = record.password_hash if record is not None and known else _nobody(database.hasher)
    fits = password_fits(database.hasher, password_hash, password)
    if record is None or not known or not fits:
        raise BadCredentials("User name or password is wrong.")
    token = secrets.token_urlsafe(32)
    with database.transaction() as session:
        record = session.get_one(UserRecord, record.id)
        if not record.active:
            raise BadCredentials("User name or password is wrong.")
        session.get_one(LoginAttemptRecord, attempt_id).succeeded = True
        if database.hasher.check_needs_rehash(record.password_hash):
            record.password_hash = database.hasher.hash(password)
        expires_at = now + SESSION_LIFE
        session.add(
            SessionRecord(
                token_hash=_hash(token), user_id=record.id, created_at=now, seen_at=now, expires_at=expires_at
            )
        )
        return SignedIn(token, as_user(record), expires_at)


@lru_cache(maxsize=4)
def _nobody(hasher: PasswordHasher) -> str:
    """A hash that no password fits, as slow to check as a real one."""
    return hasher.hash(secrets.token_hex(32))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _refuse_when_locked(session: Session, name: str, address: str, now: datetime) -> None:
    """Count the failures of the account since its last success, and the recent ones of the address.

    A success does not forgive the address: whoever owns one account would otherwise guess at all the others.
    """
    at, succeeded = LoginAttemptRecord.at, LoginAttemptRecord.succeeded
    account = LoginAttemptRecord.account == name
    success = session.scalar(select(func.max(at)).where(account, succeeded))
    since = max(success, now - MEMORY) if success is not None else now - MEMORY
    _refuse_when_many(session, account & (at > since), FREE_TRIES_ACCOUNT, now)
    recent = (LoginAttemptRecord.address == address) & (at > now - LONGEST_WAIT)
    _refuse_when_many(session, recent, FREE_TRIES_ADDRESS, now)


def _refuse_when_many(session: Session, who: ColumnElement[bool], free: int, now: datetime) -> None:
    query = select(func.count(), func.max(LoginAttemptRecord.at)).where(who, ~LoginAttemptRecord.succeeded)
    failures, last = session.execute(query).one()
    if last is None or failures < free:
        return
    wait = min(FIRST_WAIT * 2 ** min(failures - free, 16), LONGEST_WAIT) - (now - last)
    if wait > timedelta(0):
        raise LockedOut(int(min(wait, LONGEST_WAIT).total_seconds()) + 1)


def user_of(database: Database, token: str) -> User | None:
    """The active user of a session, or ``None`` when it is unknown, expired, idle too long or revoked."""
    now = database.clock()
    with database.session() as session:
        query = select(SessionRecord, UserRecord).join(UserRecord, UserRecord.id == SessionRecord.user_id)
        query = query.where(SessionRecord.token_hash == _hash(token), SessionRecord.revoked_at.is_(None))
        found = session.execute(query.where(UserRecord.active)).one_or_none()
        if found is None:
            return None
        live, record = found
        if now >= live.expires_at or now - live.seen_at >= SESSION_IDLE:
            return None
        user, seen_at = as_user(record), live.seen_at
    if now - seen_at >= SEEN_EVERY:
        with database.transaction() as session:
            session.get_one(SessionRecord, _hash(token)).seen_at = now
    return user


def sign_out(database: Database, token: str) -> None:
    """End a session; an unknown one is left as it is."""
    with database.transaction() as session:
        live = session.get(SessionRecord, _hash(token))
        if live is not None and live.revoked_at is None:
            live.revoked_at = database.clock()
