"""Accounts under their pseudonyms, identities apart from them, sites, invitations and sign-ins."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from reader_study.records.base import Base, one_of

ROLES = ("reader", "coordinator", "manager", "statistician", "admin")


class UserRecord(Base):
    """An account under its pseudonym; who that is stands in ``identities``."""

    __tablename__ = "users"
    __table_args__ = (one_of("role", ROLES),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    code: Mapped[str] = mapped_column(String(40), unique=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(20))
    site: Mapped[str] = mapped_column(String(64), default="")
    years: Mapped[int | None]
    active: Mapped[bool] = mapped_column(default=True)
    must_change_password: Mapped[bool] = mapped_column(default=False)
    simulated: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    country: Mapped[str] = mapped_column(String(2), default="")
    specialty: Mapped[str] = mapped_column(String(64), default="")
    profile_at: Mapped[datetime | None]


class IdentityRecord(Base):
    """Name and e-mail of a user: the only personal data, erasable without touching a reading."""

    __tablename__ = "identities"
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    email: Mapped[str] = mapped_column(String(254), default="")


class SessionRecord(Base):
    """A signed-in browser; only the SHA-256 of its cookie is kept."""

    __tablename__ = "sessions"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class LoginAttemptRecord(Base):
    """One try of a password, counted by account and by address."""

    __tablename__ = "login_attempts"
    __table_args__ = (
        Index("ix_login_attempts_account_at", "account", "at"),
        Index("ix_login_attempts_address_at", "address", "at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    succeeded: Mapped[bool] = mapped_column(default=False)


class SiteRecord(Base):
    """A place where readers read, under its code."""

    __tablename__ = "sites"
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]


class InvitationRecord(Base):
    """A link that makes one account, or sets one password anew (``user_id``), once and for a time."""

    __tablename__ = "invitations"
    __table_args__ = (one_of("role", ROLES),)
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    site: Mapped[str] = mapped_column(String(64), default="")
    study_id: Mapped[int | None] = mapped_column(ForeignKey("studies.id"))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    created_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    revoked_at: Mapped[datetime | None]


class ConsentRecord(Base):
    """A reader's agreement to the consent text of a study."""

    __tablename__ = "consents"
    __table_args__ = (UniqueConstraint("study_id", "reader_id", "text_sha256"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    reader_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    text_sha256: Mapped[str] = mapped_column(String(64))
    agreed_at: Mapped[datetime]
