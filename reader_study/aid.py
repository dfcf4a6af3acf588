"""The aided arm: what a reader is shown of the model, frozen beforehand and recorded when first shown.

Nothing here answers for a case that is not before the reader in an aided arm, so that there is no way from
the unaided arm to the model.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit, integrity, tokens
from reader_study.access import before_reader
from reader_study.database import Database
from reader_study.errors import ConductError
from reader_study.records import (
    DisplayRecord,
    EvidenceMapRecord,
    NearReferenceRecord,
    PredictionRecord,
    StudyRecord,
)

NO_AID = "This case is read without the model."
NO_IMAGE = "There is no such image."


@dataclass(frozen=True)
class AidEntry:
    """One rank of the model's answer: a label of the study, with calibrated confidence from 0 to 1."""

    rank: int
    diagnosis: str
    score: float


@dataclass(frozen=True)
class AidReference:
    """A reference case near to this one: its known diagnosis, and cosine similarity."""

    rank: int
    id: str
    diagnosis: str
    similarity: float
    has_image: bool


@dataclass(frozen=True)
class Aid:
    """What is shown: the model's list (at most k ranks), ranks with an evidence map, nearest references."""

    model: str
    entries: tuple[AidEntry, ...]
    maps: tuple[int, ...]
    references: tuple[AidReference, ...]
    first_shown_at: datetime


def aid_for(database: Database, reader_id: str, token: str) -> Aid:
    """The model's answer to the case that the reader has before them; the first look is recorded.

    Raises:
        ConductError: the arm shows no model, or the token is not good (any more).
        NotAllowed: the account is not an active reader.
    """
    with database.transaction() as session:
        grant = _aided(database, session, reader_id, token)
        study = grant.study
        content = _content(session, study, grant.assignment.case_id)
        query = select(DisplayRecord).where(DisplayRecord.assignment_id == grant.assignment.id)
        shown = session.scalar(query)
        if shown is None:
            shown = DisplayRecord(
                assignment_id=grant.assignment.id,
                token_hash=grant.token_hash,
                shown_at=database.clock(),
                content=content,
            )
            session.add(shown)
            session.flush()
            audit.append(
                session,
                at=shown.shown_at,
                actor_id=reader_id,
                action="show_model",
                subject=integrity.row_subject(shown),
                details={
                    "digest": integrity.row_digest(shown),
                    "study": study.name,
                    "reader": grant.reader.code,
                    "place": [grant.assignment.period, grant.assignment.position],
                },
            )
        return Aid(
            model=str((study.model_identity or {}).get("id", "")),
            entries=tuple(AidEntry(*row) for row in content["entries"]),
            maps=tuple(rank for rank, _ in content["maps"]),
            references=tuple(
                AidReference(rank, id, diagnosis, similarity, sha256 is not None)
                for rank, id, diagnosis, similarity, sha256 in content["references"]
            ),
            first_shown_at=shown.shown_at,
        )


def map_for(database: Database, reader_id: str, token: str, rank: int) -> bytes:
    """The evidence map of one rank as PNG, under the same conditions as ``aid_for``."""
    with database.session() as session:
        grant = _aided(database, session, reader_id, token)
        row = session.get(EvidenceMapRecord, (grant.assignment.case_id, rank))
        if row is None:
            raise ConductError(NO_IMAGE)
        return row.png


def reference_image_for(database: Database, reader_id: str, token: str, rank: int) -> bytes:
    """The image of one reference case as PNG, under the same conditions as ``aid_for``."""
    with database.session() as session:
        grant = _aided(database, session, reader_id, token)
        row = session.get(NearReferenceRecord, (grant.assignment.case_id, rank))
        if row is None or row.png is None:
            raise ConductError(NO_IMAGE)
        return row.png


def _aided(database: Database, session: Session, reader_id: str, token: str) -> tokens.Grant:
    grant = before_reader(database, session, reader_id, token)
    if not grant.arm.shows_model:
        raise ConductError(NO_AID)
    return grant


def _content(session: Session, study: StudyRecord, case_id: int) -> dict[str, Any]:
    """What is shown, in the form that is stored and vouched for."""
    entries = session.scalars(
        select(PredictionRecord)
        .where(PredictionRecord.case_id == case_id, PredictionRecord.rank <= study.k)
        .order_by(PredictionRecord.rank)
    )
    maps = session.execute(
        select(EvidenceMapRecord.rank, EvidenceMapRecord.sha256)
        .where(EvidenceMapRecord.case_id == case_id, EvidenceMapRecord.rank <= study.k)
        .order_by(EvidenceMapRecord.rank)
    )
    near = session.execute(
        select(
            NearReferenceRecord.rank,
            NearReferenceRecord.reference,
            NearReferenceRecord.diagnosis,
            NearReferenceRecord.similarity,
            NearReferenceRecord.sha256,
        )
        .where(NearReferenceRecord.case_id == case_id)
        .order_by(NearReferenceRecord.rank)
    )
    return {
        "model": audit.digest(study.model_identity),
        "entries": [[row.rank, row.diagnosis, row.score] for row in entries],
        "maps": [list(row) for row in maps],
        "references": [list(row) for row in near],
    }
