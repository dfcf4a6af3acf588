"""Judgements beside the readings: free text adjudicated, the reference standard voted by a panel."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from reader_study.records.base import Base, one_of

TASKS = ("free_text", "reference")


class AdjudicatorRecord(Base):
    """Who judges what in a study: the meaning of free text, or the reference standard."""

    __tablename__ = "adjudicators"
    __table_args__ = (one_of("task", TASKS),)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    task: Mapped[str] = mapped_column(String(20), primary_key=True)
    assigned_at: Mapped[datetime]


class AdjudicationRecord(Base):
    """What one adjudicator says that a free text means: a catalogue id, or no diagnosis at all."""

    __tablename__ = "adjudications"
    __table_args__ = (UniqueConstraint("study_id", "text_key", "adjudicator_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    text_key: Mapped[str] = mapped_column(String(400))
    adjudicator_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    diagnosis: Mapped[str | None] = mapped_column(String(200))
    comment: Mapped[str] = mapped_column(String(2000), default="")
    at: Mapped[datetime]


class PanelVoteRecord(Base):
    """What one member of the panel says that a case shows."""

    __tablename__ = "panel_votes"
    __table_args__ = (UniqueConstraint("case_id", "panelist_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    panelist_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    diagnoses: Mapped[list[str]]
    comment: Mapped[str] = mapped_column(String(2000), default="")
    at: Mapped[datetime]
