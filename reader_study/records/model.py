"""What the model said, frozen before the first reading, and what readers were shown of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from reader_study.records.base import Base


class PredictionRecord(Base):
    """One rank of the model's answer to a case, frozen when the study opens."""

    __tablename__ = "model_predictions"
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    diagnosis: Mapped[str] = mapped_column(String(200))
    score: Mapped[float]


class EvidenceMapRecord(Base):
    """The evidence map of one rank of the model's answer, as a PNG."""

    __tablename__ = "model_maps"
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    png: Mapped[bytes] = mapped_column(LargeBinary)


class NearReferenceRecord(Base):
    """One of the nearest reference cases that the model found, with its known diagnosis."""

    __tablename__ = "model_references"
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(200))
    diagnosis: Mapped[str] = mapped_column(String(200))
    similarity: Mapped[float]
    sha256: Mapped[str | None] = mapped_column(String(64))
    png: Mapped[bytes | None] = mapped_column(LargeBinary)


class DisplayRecord(Base):
    """What an aided reader was shown of the model, and when first."""

    __tablename__ = "model_displays"
    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"), unique=True)
    token_hash: Mapped[str] = mapped_column(ForeignKey("reading_tokens.token_hash"))
    shown_at: Mapped[datetime]
    content: Mapped[dict[str, Any]]
