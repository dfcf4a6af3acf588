"""A study: its protocol, cases with reference standard, arms, periods, and each reader's stored order."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from reader_study.records.base import Base, one_of

STATES = ("draft", "open", "locked", "unblinded", "archived")


class StudyRecord(Base):
    """A study and its protocol, fixed once it is open.

    ``vocabulary`` keeps the labels and the accepted answers of the day the cases came in, so that a later
    catalogue never turns an old answer from right to wrong.
    """

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
    archived_at: Mapped[datetime | None]
    vocabulary: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)


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
    block: Mapped[int | None]
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
    """A reader's place in a study: ordinal (seeds the order), sequence (of arms), block (of cases)."""

    __tablename__ = "enrolments"
    __table_args__ = (UniqueConstraint("study_id", "ordinal"),)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    ordinal: Mapped[int]
    sequence: Mapped[int]
    enrolled_at: Mapped[datetime]
    block: Mapped[int | None]


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
