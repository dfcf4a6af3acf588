"""Who takes part: accounts under pseudonyms, their roles, and the identities that can be erased."""

import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from reader_study import audit, integrity
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import AccountError, BadCredentials
from reader_study.passwords import NO_PASSWORD, hash_password, password_fits
from reader_study.records import ROLES, IdentityRecord, LoginAttemptRecord, SessionRecord, UserRecord
from reader_study.roles import may_manage, require_role

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class User:
    """An account as the rest of the program sees it; ``code`` is the pseudonym that results carry."""

    id: str
    code: str
    username: str
    role: str
    site: str
    active: bool
    must_change_password: bool
    simulated: bool


def as_user(record: UserRecord) -> User:
    """The value of a row."""
    return User(
        id=record.id,
        code=record.code,
        username=record.username,
        role=record.role,
        site=record.site,
        active=record.active,
        must_change_password=record.must_change_password,
        simulated=record.simulated,
    )


def normal_name(username: str) -> str:
    """One spelling for every way to type a user name (NFKC, lower case, no spaces around)."""
    return unicodedata.normalize("NFKC", username).strip().casefold()


@dataclass(frozen=True)
class NewAccount:
    """An account to create.

    Attributes:
        username: unique without regard to case; letters, digits and ``. _ - @``, at most 64.
        password: at least 8 characters, or ``None`` for an account that nobody signs in to.
        role: one of ``ROLES``.
        site: code of the reader's site.
        name: real name, kept apart from the readings.
        email: address, kept apart from the readings.
        years: years of experience.
        must_change_password: whether the page asks for a new password at first sign-in.
        simulated: whether the account is a simulated reader.
        code: pseudonym; drawn at random where empty.
    """

    username: str
    password: str | None = field(repr=False)
    role: str = "reader"
    site: str = ""
    name: str = ""
    email: str = ""
    years: int | None = None
    must_change_password: bool = False
    simulated: bool = False
    code: str = ""

    def check(self) -> None:
        """Refuse what no account can have.

        Raises:
            AccountError: with one sentence on what to change.
        """
        if not re.fullmatch(r"[\w.@-]{1,64}", normal_name(self.username)):
            raise AccountError("A user name has 1 to 64 letters, digits or the signs . _ - @, and no spaces.")
        if self.role not in ROLES:
            raise AccountError(f"{self.role!r} is not a role; choose one of {', '.join(ROLES)}.")
        if not re.fullmatch(r"[\w .-]{0,64}", self.site):
            raise AccountError("A site code has at most 64 letters, digits, spaces or the signs . _ -")
        if self.years is not None and not 0 <= self.years <= 80:
            raise AccountError("Years of experience is a number from 0 to 80.")
        for value, longest in ((self.name, 200), (self.email, 254)):
            if len(value) > longest or not value.isprintable():
                raise AccountError(
                    f"Name and e-mail are one line each, here of at most {longest} characters."
                )


def create_user(
    database: Database,
    username: str,
    password: str | None,
    *,
    role: str = "reader",
    site: str = "",
    name: str = "",
    email: str = "",
    years: int | None = None,
    must_change_password: bool = False,
    actor_id: str = SYSTEM,
) -> User:
    """Add one account; see ``NewAccount`` for what the values mean and ``create_users`` for the errors."""
    account = NewAccount(username, password, role, site, name, email, years, must_change_password)
    return create_users(database, [account], actor_id=actor_id)[0]


def create_users(
    database: Database, accounts: Sequence[NewAccount], *, actor_id: str = SYSTEM
) -> tuple[User, ...]:
    """Add accounts, all of them or none; managers add readers and coordinators only.

    Raises:
        AccountError: a user name is taken or cannot be used, a password is too weak, a role unknown.
        NotAllowed: the actor may not add accounts of this role.
    """
    hashes = []
    for account in accounts:
        account.check()
        password = account.password
        hashes.append(NO_PASSWORD if password is None else hash_password(database.hasher, password))
    with database.transaction() as session:
        actor = require_role(session, actor_id, ("manager",))
        for account in accounts:
            may_manage(actor, account.role)
        return tuple(
            insert_user(database, session, account, password_hash, actor_id)
            for account, password_hash in zip(accounts, hashes, strict=True)
        )


def insert_user(
    database: Database, session: Session, account: NewAccount, password_hash: str, actor_id: str
) -> User:
    """Do what ``create_users`` does for one checked account, inside the caller's transaction."""
    username = normal_name(account.username)
    if session.scalar(select(UserRecord.id).where(UserRecord.username == username)):
        raise AccountError(f"There is already a user named {username!r}.")
    record = UserRecord(
        id="u_" + secrets.token_hex(12),
        code=account.code or _new_code(session),
        username=username,
        password_hash=password_hash,
        role=account.role,
        site=account.site,
        years=account.years,
        active=True,
        must_change_password=account.must_change_password,
        simulated=account.simulated,
        created_at=database.clock(),
    )
    session.add(record)
    session.flush()
    if account.name or account.email:
        session.add(IdentityRecord(user_id=record.id, name=account.name, email=account.email))
    facts = {"role": account.role, "site": account.site, "simulated": account.simulated}
    _note(database, session, actor_id, "create_user", record, **facts)
    return as_user(record)


def _new_code(session: Session) -> str:
    while True:
        code = "R-" + "".join(secrets.choice(CODE_LETTERS) for _ in range(6))
        if not session.scalar(select(UserRecord.id).where(UserRecord.code == code)):
            return code


def _note(
    database: Database, session: Session, actor_id: str, action: str, record: UserRecord, **details: object
) -> None:
    audit.append(
        session,
        at=database.clock(),
        actor_id=actor_id,
        action=action,
        subject=f"user {record.code}",
        details={
            "user_id": record.id,
            "vouches": {integrity.account_subject(record): integrity.account_digest(record)},
            **details,
        },
    )


def find_user(database: Database, username: str) -> User | None:
    """The account of that name, or ``None``."""
    with database.session() as session:
        query = select(UserRecord).where(UserRecord.username == normal_name(username))
        record = session.scalar(query)
        return as_user(record) if record else None


def list_users(database: Database, *, actor_id: str = SYSTEM) -> tuple[User, ...]:
    """All accounts, oldest first, for administrators and managers."""
    with database.session() as session:
        require_role(session, actor_id, ("manager",))
        query = select(UserRecord).order_by(UserRecord.created_at, UserRecord.username)
        return tuple(as_user(record) for record in session.scalars(query))


def change_password(database: Database, user_id: str, old: str, new: str) -> None:
    """Set a new password; every other signed-in browser of the user is signed out.

    Raises:
        BadCredentials: the old password is wrong.
        AccountError: the new password is too weak.
    """
    new_hash = hash_password(database.hasher, new)
    with database.session() as session:
        record = session.get(UserRecord, user_id)
        old_hash = record.password_hash if record is not None and record.active else NO_PASSWORD
    if not password_fits(database.hasher, old_hash, old):
        raise BadCredentials("The old password is wrong.")
    with database.transaction() as session:
        record = session.get_one(UserRecord, user_id)
        if record.password_hash != old_hash:
            raise BadCredentials("The password was changed meanwhile.")
        set_password(database, session, record, new_hash)


def set_password(database: Database, session: Session, record: UserRecord, new_hash: str) -> None:
    """Store a new password's hash and sign the user out everywhere, inside the caller's transaction."""
    record.password_hash, record.must_change_password = new_hash, False
    _revoke_sessions(database, session, record)
    _note(database, session, record.id, "change_password", record)


def _revoke_sessions(database: Database, session: Session, record: UserRecord) -> None:
    live = (SessionRecord.user_id == record.id) & SessionRecord.revoked_at.is_(None)
    session.execute(update(SessionRecord).where(live).values(revoked_at=database.clock()))


def disable_user(database: Database, username: str, *, actor_id: str = SYSTEM) -> User:
    """Close an account and sign it out everywhere; its readings stay."""
    with database.transaction() as session:
        actor = require_role(session, actor_id, ("manager",))
        record = by_name(session, username)
        may_manage(actor, record.role)
        record.active = False
        _revoke_sessions(database, session, record)
        _note(database, session, actor_id, "disable_user", record)
        return as_user(record)


def enable_user(database: Database, username: str, *, actor_id: str = SYSTEM) -> User:
    """Open a disabled account again.

    Raises:
        AccountError: there is no such account, or its identity was erased.
        NotAllowed: the actor may not manage accounts of this role.
    """
    with database.transaction() as session:
        actor = require_role(session, actor_id, ("manager",))
        record = by_name(session, username)
        may_manage(actor, record.role)
        if record.password_hash == NO_PASSWORD:
            raise AccountError(f"{record.username} is an account that nobody signs in to.")
        record.active = True
        _note(database, session, actor_id, "enable_user", record)
        return as_user(record)


def erase_identity(database: Database, username: str, *, actor_id: str = SYSTEM) -> None:
    """Forget who a user is; the pseudonym and its readings stay.

    Name, e-mail, user name, password, sessions and the record of sign-ins (with addresses) go.
    """
    with database.transaction() as session:
        require_role(session, actor_id, ("admin",))
        record = by_name(session, username)
        identity = session.get(IdentityRecord, record.id)
        if identity is not None:
            session.delete(identity)
        session.execute(delete(LoginAttemptRecord).where(LoginAttemptRecord.account == record.username))
        session.execute(delete(SessionRecord).where(SessionRecord.user_id == record.id))
        record.username, record.password_hash, record.active = record.code.casefold(), NO_PASSWORD, False
        _note(database, session, actor_id, "erase_identity", record)


def by_name(session: Session, username: str) -> UserRecord:
    """The row of an account.

    Raises:
        AccountError: there is none of that name.
    """
    record = session.scalar(select(UserRecord).where(UserRecord.username == normal_name(username)))
    if record is None:
        raise AccountError(f"There is no user named {normal_name(username)!r}.")
    return record
