"""The audit chain of this database, and the chains that came back from sites."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from reader_study.records.base import Base, one_of

PACKAGE_KINDS = ("sent", "opened", "returned", "received")


class AuditRecord(Base):
    """One link of the audit chain: its hash covers its content and the hash before it."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(40))
    actor_id: Mapped[str] = mapped_column(String(40))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(120), index=True)
    details: Mapped[str]
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)


class SitePackageRecord(Base):
    """A package that went to a site or came back from it.

    ``public_key`` checks the signature of what the site returns; ``secret_key`` is kept at the site only.
    """

    __tablename__ = "site_packages"
    __table_args__ = (one_of("kind", PACKAGE_KINDS), UniqueConstraint("package", "kind", "sha256"))
    id: Mapped[int] = mapped_column(primary_key=True)
    package: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    site: Mapped[str] = mapped_column(String(64))
    public_key: Mapped[str] = mapped_column(String(64))
    secret_key: Mapped[str] = mapped_column(String(64), default="")
    sha256: Mapped[str] = mapped_column(String(64))
    details: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class SiteAuditRecord(Base):
    """One link of a site's own audit chain, kept as it came."""

    __tablename__ = "site_audit"
    package: Mapped[str] = mapped_column(String(40), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(40))
    actor_id: Mapped[str] = mapped_column(String(40))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(120))
    details: Mapped[str]
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class SigningKeyRecord(Base):
    """The key by which this server signs its packages."""

    __tablename__ = "signing_keys"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    secret_key: Mapped[str] = mapped_column(String(64))
    public_key: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
