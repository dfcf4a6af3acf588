"""What readers did: the right to read a case, the answer, its ranks, and what happened on the page."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from reader_study.records.base import Base, one_of

EVENT_KINDS = (
    "shown",
    "first_interaction",
    "hidden",
    "visible",
    "idle",
    "active",
    "paused",
    "resumed",
)
TOKEN_PURPOSES = ("reading", "correction")


class TokenRecord(Base):
    """A single-use, expiring right of a reader to see and answer one assignment; its SHA-256 is kept."""

    __tablename__ = "reading_tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"), index=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    purpose: Mapped[str] = mapped_column(String(20), default="reading")


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
    findings: Mapped[list[str]] = mapped_column(default=list)
    late: Mapped[bool] = mapped_column(default=False)
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


class TimingEventRecord(Base):
    """Something that happened on a reading page, at the server's time."""

    __tablename__ = "timing_events"
    __table_args__ = (one_of("kind", (*EVENT_KINDS, "submitted")),)
    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"), index=True)
    token_hash: Mapped[str] = mapped_column(ForeignKey("reading_tokens.token_hash"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime]
