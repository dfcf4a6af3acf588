"""The tables of the reader study, as SQLAlchemy sees them; ``migrations/`` makes and changes them.

Rows that are evidence (readings, ranked entries, predictions of the model, timing events, audit) are only
ever inserted: triggers in the database refuse UPDATE and DELETE, whoever asks.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, DateTime, ForeignKey, Index, MetaData, String, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

ROLES = ("reader", "coordinator", "manager", "statistician", "admin")
STATES = ("draft", "open", "locked", "unblinded", "archived")
EVENT_KINDS = ("shown", "first_interaction", "hidden", "visible", "idle", "active")
APPEND_ONLY = ("readings", "ranked_entries", "model_predictions", "timing_events", "audit")


class Moment(TypeDecorator[datetime]):
    """A point in time, always with the UTC zone in Python (SQLite keeps none)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the stored time its zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """Let the database itself refuse a word outside the list."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=f"{column}_known")


class Base(DeclarativeBase):
    """All tables; constraint names follow one pattern so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment(), dict[str, Any]: JSON()}  # noqa: RUF012 - read by SQLAlchemy


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


class StudyRecord(Base):
    """A study and its protocol, fixed once it is open."""

    __tablename__ = "studies"
    __table_args__ = (one_of("state", STATES), CheckConstraint("k BETWEEN 1 AND 20", name="k_range"))
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    protocol_version: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(20), default="draft")
    design: Mapped[str] = mapped_column(String(20))
    label_set: Mapped[str] = mapped_column(String(200))
    label_set_version: Mapped[str] = mapped_column(String(40))
    k: Mapped[int]
    confidence_levels: Mapped[int]
    wash_out_days: Mapped[int]
    seed: Mapped[int]
    synthetic: Mapped[bool] = mapped_column(default=False)
    config: Mapped[dict[str, Any]]
    model_identity: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    locked_at: Mapped[datetime | None]
    unblinded_at: Mapped[datetime | None]


class CaseRecord(Base):
    """One case of a study; its image path never leaves the server."""

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("study_id", "code"), UniqueConstraint("study_id", "position"))
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    code: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]
    image_path: Mapped[str] = mapped_column(String(4096))
    image_sha256: Mapped[str] = mapped_column(String(64))
    rare: Mapped[bool] = mapped_column(default=False)
    site: Mapped[str] = mapped_column(String(64), default="")
    practice: Mapped[bool] = mapped_column(default=False)
    extra: Mapped[dict[str, Any]]
    reference: Mapped[list["ReferenceRecord"]] = relationship(order_by="ReferenceRecord.position")


class ReferenceRecord(Base):
    """The reference standard of a case: one row a correct diagnosis, the primary one first."""

    __tablename__ = "reference_standard"
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    diagnosis: Mapped[str] = mapped_column(String(200))
    established_by: Mapped[str] = mapped_column(String(200), default="")


class ArmRecord(Base):
    """A way of reading: ``unaided``, or with the model beside."""

    __tablename__ = "arms"
    __table_args__ = (UniqueConstraint("study_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    name: Mapped[str] = mapped_column(String(20))
    shows_model: Mapped[bool] = mapped_column(default=False)


class PeriodRecord(Base):
    """Which arm a sequence of readers meets in which period (a crossover has two sequences)."""

    __tablename__ = "periods"
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    arm_id: Mapped[int] = mapped_column(ForeignKey("arms.id"))


class EnrolmentRecord(Base):
    """A reader's place in a study: the ordinal seeds the order of cases, the sequence gives the arms."""

    __tablename__ = "enrolments"
    __table_args__ = (UniqueConstraint("study_id", "ordinal"),)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    ordinal: Mapped[int]
    sequence: Mapped[int]
    enrolled_at: Mapped[datetime]


class AssignmentRecord(Base):
    """One place in a reader's stored order of cases."""

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("study_id", "reader_id", "period", "position", name="uq_assignments_place"),
        UniqueConstraint("reader_id", "case_id", "period", "repeat", name="uq_assignments_case"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    reader_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    period: Mapped[int]
    position: Mapped[int]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    arm_id: Mapped[int] = mapped_column(ForeignKey("arms.id"))
    repeat: Mapped[int] = mapped_column(default=0)


class TokenRecord(Base):
    """A single-use, expiring right of a reader to see and answer one assignment; its SHA-256 is kept."""

    __tablename__ = "reading_tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"), index=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ReadingRecord(Base):
    """An answer; a correction is a new row with the next revision and a reason, the highest is current."""

    __tablename__ = "readings"
    __table_args__ = (
        UniqueConstraint("reader_id", "case_id", "period", "repeat", "revision", name="uq_readings_current"),
        UniqueConstraint("assignment_id", "revision", name="uq_readings_assignment"),
        UniqueConstraint("token_hash", name="uq_readings_token"),
        CheckConstraint("revision >= 1", name="revision_positive"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"))
    reader_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    period: Mapped[int]
    repeat: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    token_hash: Mapped[str] = mapped_column(ForeignKey("reading_tokens.token_hash"))
    confidence: Mapped[int]
    comment: Mapped[str] = mapped_column(String(4000), default="")
    reason: Mapped[str] = mapped_column(String(500), default="")
    submitted_at: Mapped[datetime]
    entries: Mapped[list["RankedEntryRecord"]] = relationship(order_by="RankedEntryRecord.rank")


class RankedEntryRecord(Base):
    """One rank of a differential: a catalogue id, or free text that waits for adjudication."""

    __tablename__ = "ranked_entries"
    __table_args__ = (
        UniqueConstraint("reading_id", "diagnosis", name="uq_ranked_entries_diagnosis"),
        CheckConstraint("rank >= 1", name="rank_positive"),
    )
    reading_id: Mapped[int] = mapped_column(ForeignKey("readings.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    diagnosis: Mapped[str | None] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(String(400))


class PredictionRecord(Base):
    """One rank of the model's answer to a case, frozen when the study opens."""

    __tablename__ = "model_predictions"
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    diagnosis: Mapped[str] = mapped_column(String(200))
    score: Mapped[float]


class TimingEventRecord(Base):
    """Something that happened on a reading page, at the server's time."""

    __tablename__ = "timing_events"
    __table_args__ = (one_of("kind", (*EVENT_KINDS, "submitted")),)
    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"), index=True)
    token_hash: Mapped[str] = mapped_column(ForeignKey("reading_tokens.token_hash"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime]


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
