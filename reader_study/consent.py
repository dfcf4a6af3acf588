"""The consent of a reader: the text of the study as it was shown, agreed to once, before the first case."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit, integrity
from reader_study.database import Database
from reader_study.errors import ConductError
from reader_study.protocol import config_of
from reader_study.records import ConsentRecord, StudyRecord
from reader_study.roles import require_reader
from reader_study.studies import study_named


@dataclass(frozen=True)
class Consent:
    """The text that a study asks its readers to agree to, and when this one did."""

    text: str
    sha256: str
    agreed_at: datetime | None


def consent_text(database: Database, reader_id: str, study_name: str) -> Consent | None:
    """The consent text of a study; ``None`` where it asks for none.

    Raises:
        NotAllowed: the account is not an active reader.
        DesignError: there is no such study.
    """
    with database.session() as session:
        require_reader(session, reader_id)
        study = study_named(session, study_name)
        text = config_of(study)["consent"]
        if not text:
            return None
        row = _row(session, study, reader_id)
        return Consent(text, _sha256(text), row.agreed_at if row is not None else None)


def agree(database: Database, reader_id: str, study_name: str, sha256: str) -> None:
    """Store that a reader agreed to the text with this SHA-256; to agree twice changes nothing.

    Raises:
        ConductError: the study asks for no consent, or its text is another one.
        NotAllowed: the account is not an active reader.
    """
    with database.transaction() as session:
        reader = require_reader(session, reader_id)
        study = study_named(session, study_name)
        text = config_of(study)["consent"]
        if not text or sha256 != _sha256(text):
            raise ConductError("The consent text is another one; load the page again and read it.")
        if _row(session, study, reader_id) is not None:
            return
        row = ConsentRecord(
            study_id=study.id, reader_id=reader_id, text_sha256=sha256, agreed_at=database.clock()
        )
        session.add(row)
        session.flush()
        audit.append(
            session,
            at=row.agreed_at,
            actor_id=reader_id,
            action="consent",
            subject=integrity.row_subject(row),
            details={"digest": integrity.row_digest(row), "study": study.name, "reader": reader.code},
        )


def consent_missing(session: Session, study: StudyRecord, reader_id: str) -> bool:
    """Whether the study asks for a consent that the reader has not given."""
    return bool(config_of(study)["consent"]) and _row(session, study, reader_id) is None


def _row(session: Session, study: StudyRecord, reader_id: str) -> ConsentRecord | None:
    query = select(ConsentRecord).where(
        ConsentRecord.study_id == study.id,
        ConsentRecord.reader_id == reader_id,
        ConsentRecord.text_sha256 == _sha256(config_of(study)["consent"]),
    )
    return session.scalar(query)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
