"""What travels: rows as JSON under names that hold on both sides, never under the numbers of one database."""

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from reader_study import audit, integrity
from reader_study.database import Database
from reader_study.errors import PackageError, StudyError
from reader_study.records import (
    AssignmentRecord,
    CaseRecord,
    ConsentRecord,
    DisplayRecord,
    RankedEntryRecord,
    ReadingRecord,
    StudyRecord,
    TimingEventRecord,
    TokenRecord,
    UserRecord,
)

MANIFEST = "manifest.json"
UNREADABLE = "The content of the package cannot be read."
Row = dict[str, Any]


def add_json(tar: tarfile.TarFile, name: str, content: object) -> None:
    """Add a JSON document to a package."""
    add_bytes(tar, name, json.dumps(content, ensure_ascii=False, allow_nan=False).encode())


def add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file to a package, without time, owner or mode."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def read_manifest(stream: BinaryIO) -> tuple[Row, tarfile.TarFile]:
    """The manifest of a package, which comes first, and the archive for what follows.

    Raises:
        PackageError: the package does not begin with a manifest.
    """
    try:
        tar = tarfile.open(fileobj=stream, mode="r|")  # noqa: SIM115 - read on by the caller
        member = tar.next()
        file = tar.extractfile(member) if member is not None and member.name == MANIFEST else None
        if file is None:
            raise PackageError("The package has no manifest.")
        content: Row = json.loads(file.read())
    except PackageError:
        raise
    except (tarfile.TarError, ValueError):
        raise PackageError(UNREADABLE) from None
    return content, tar


@contextmanager
def understood() -> Iterator[None]:
    """Raise one ``PackageError`` where content lacks something, or has it of another type, in the block."""
    try:
        yield
    except StudyError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, StatementError) as error:
        raise PackageError(UNREADABLE) from error


def moment(text: str) -> datetime:
    """A time as it was written by ``isoformat``."""
    return datetime.fromisoformat(text)


def place_key(reader_id: str, place: AssignmentRecord) -> Row:
    """The name of a place in a reader's order."""
    return {"reader": reader_id, "period": place.period, "position": place.position}


def find_place(session: Session, study: StudyRecord, row: Row) -> AssignmentRecord | None:
    """The place that a row of a package names."""
    query = select(AssignmentRecord).where(
        AssignmentRecord.study_id == study.id,
        AssignmentRecord.reader_id == row["reader"],
        AssignmentRecord.period == row["period"],
        AssignmentRecord.position == row["position"],
    )
    return session.scalar(query)


def tokens_of(session: Session, reading: ReadingRecord) -> list[TokenRecord]:
    """The tokens under which something of a reading is recorded: its own, and those of earlier visits."""
    query = select(TokenRecord).where(
        TokenRecord.assignment_id == reading.assignment_id,
        (TokenRecord.token_hash == reading.token_hash)
        | (
            (TokenRecord.purpose == "reading")
            & (
                TokenRecord.token_hash.in_(select(TimingEventRecord.token_hash))
                | TokenRecord.token_hash.in_(select(DisplayRecord.token_hash))
            )
        ),
    )
    return [
        token
        for token in session.scalars(query.order_by(TokenRecord.issued_at))
        if reading.revision == 1 or token.token_hash == reading.token_hash
    ]


def reading_row(session: Session, reading: ReadingRecord) -> Row:
    """A reading with its ranks, visits, events and what was shown of the model."""
    place = session.get_one(AssignmentRecord, reading.assignment_id)
    tokens = tokens_of(session, reading)
    hashes = [token.token_hash for token in tokens]
    events = session.scalars(
        select(TimingEventRecord)
        .where(TimingEventRecord.token_hash.in_(hashes))
        .order_by(TimingEventRecord.id)
    )
    display = session.scalar(select(DisplayRecord).where(DisplayRecord.assignment_id == place.id))
    return {
        **place_key(reading.reader_id, place),
        "case": session.get_one(CaseRecord, reading.case_id).code,
        "repeat": reading.repeat,
        "revision": reading.revision,
        "token": reading.token_hash,
        "confidence": reading.confidence,
        "comment": reading.comment,
        "reason": reading.reason,
        "submitted_at": reading.submitted_at.isoformat(),
        "findings": reading.findings,
        "late": reading.late,
        "entries": [[entry.rank, entry.diagnosis, entry.text] for entry in reading.entries],
        "visits": [
            [row.token_hash, row.issued_at.isoformat(), row.expires_at.isoformat(), row.purpose]
            for row in tokens
        ],
        "events": [[row.token_hash, row.kind, row.at.isoformat()] for row in events],
        "display": None
        if display is None
        else {"token": display.token_hash, "at": display.shown_at.isoformat(), "content": display.content},
        "ids": {
            "reading": reading.id,
            "study": reading.study_id,
            "assignment": reading.assignment_id,
            "case": reading.case_id,
        },
    }


def origin_digest(row: Row) -> str:
    """The digest that the audit of the sending database holds for a reading, computed from its row."""
    ids = row["ids"]
    reading = ReadingRecord(
        id=ids["reading"],
        study_id=ids["study"],
        assignment_id=ids["assignment"],
        reader_id=row["reader"],
        case_id=ids["case"],
        period=row["period"],
        **_answer(row),
    )
    return integrity.reading_digest(reading)


def _answer(row: Row) -> Row:
    return {
        "repeat": row["repeat"],
        "revision": row["revision"],
        "token_hash": row["token"],
        "confidence": row["confidence"],
        "comment": row["comment"],
        "reason": row["reason"],
        "submitted_at": moment(row["submitted_at"]),
        "findings": row["findings"],
        "late": row["late"],
        "entries": [
            RankedEntryRecord(rank=rank, diagnosis=diagnosis, text=text)
            for rank, diagnosis, text in row["entries"]
        ],
    }


def same_answer(row: Row, reading: ReadingRecord) -> bool:
    """Whether a row of a package is the reading that is stored here."""
    return (
        row["token"] == reading.token_hash
        and moment(row["submitted_at"]) == reading.submitted_at
        and row["confidence"] == reading.confidence
        and row["comment"] == reading.comment
        and row["entries"] == [[entry.rank, entry.diagnosis, entry.text] for entry in reading.entries]
    )


def store_consent(
    database: Database,
    session: Session,
    study: StudyRecord,
    consent: Sequence[str],
    actor_id: str,
    origin: Row,
) -> None:
    """Store a consent (reader, SHA-256 of the text, when) that came in a package, and let the audit vouch."""
    reader, text_sha256, agreed_at = consent
    row = ConsentRecord(
        study_id=study.id, reader_id=reader, text_sha256=text_sha256, agreed_at=moment(agreed_at)
    )
    session.add(row)
    session.flush()
    audit.append(
        session,
        at=database.clock(),
        actor_id=actor_id,
        action="import_consent",
        subject=integrity.row_subject(row),
        details={"digest": integrity.row_digest(row), **origin},
    )


def store_reading(
    database: Database,
    session: Session,
    place: AssignmentRecord,
    row: Row,
    actor_id: str,
    origin: Row,
) -> ReadingRecord:
    """Store a reading that came in a package, and let this database's audit vouch for it."""
    hashes = [visit[0] for visit in row["visits"]]
    query = select(TokenRecord.token_hash).where(TokenRecord.token_hash.in_(hashes))
    known = set(session.scalars(query))
    for token, issued_at, expires_at, purpose in row["visits"]:
        if token not in known:
            session.add(
                TokenRecord(
                    token_hash=token,
                    assignment_id=place.id,
                    reader_id=place.reader_id,
                    issued_at=moment(issued_at),
                    expires_at=moment(expires_at),
                    purpose=purpose,
                )
            )
    session.flush()
    reading = ReadingRecord(
        study_id=place.study_id,
        assignment_id=place.id,
        reader_id=place.reader_id,
        case_id=place.case_id,
        period=place.period,
        **_answer(row),
    )
    events = [
        TimingEventRecord(assignment_id=place.id, token_hash=token, kind=kind, at=moment(at))
        for token, kind, at in row["events"]
    ]
    session.add(reading)
    session.add_all(events)
    session.flush()
    behind = integrity.events_behind(session, reading)
    vouches = {integrity.timing_subject(reading): integrity.timing_digest(behind)}
    shown = select(DisplayRecord).where(DisplayRecord.assignment_id == place.id)
    if row["display"] is not None and session.scalar(shown) is None:
        display = DisplayRecord(
            assignment_id=place.id,
            token_hash=row["display"]["token"],
            shown_at=moment(row["display"]["at"]),
            content=row["display"]["content"],
        )
        session.add(display)
        session.flush()
        vouches[integrity.row_subject(display)] = integrity.row_digest(display)
    audit.append(
        session,
        at=database.clock(),
        actor_id=actor_id,
        action="import_reading",
        subject=integrity.reading_subject(reading),
        details={
            "digest": integrity.reading_digest(reading),
            "vouches": vouches,
            "reader": session.get_one(UserRecord, place.reader_id).code,
            "place": [place.period, place.position],
            "origin": origin,
        },
    )
    return reading
