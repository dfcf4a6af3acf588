"""The append-only record of who did what and when, each row chained to the one before by SHA-256."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study.records import AuditRecord

FIRST_HASH = "0" * 64
SYSTEM = "system"
"""The actor of the command line and of the server itself, who already holds the database file."""


@dataclass(frozen=True)
class Verdict:
    """What a check of the chain found; ``problems`` names each bad row in words."""

    rows: int
    head: str
    problems: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing was changed."""
        return not self.problems


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: the same text for the same content, on every machine."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON of a value, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def append(
    session: Session, *, at: datetime, actor_id: str, action: str, subject: str, details: Mapping[str, Any]
) -> AuditRecord:
    """Add one row to the chain within the caller's transaction: deed and record stand or fall together."""
    session.flush()
    last = session.execute(select(AuditRecord).order_by(AuditRecord.id.desc()).limit(1)).scalar_one_or_none()
    row = AuditRecord(
        id=last.id + 1 if last else 1,
        at=at.isoformat(),
        actor_id=actor_id,
        action=action,
        subject=subject,
        details=canonical(details),
        previous_hash=last.hash if last else FIRST_HASH,
    )
    row.hash = link_hash(row)
    session.add(row)
    session.flush()
    return row


def link_hash(row: AuditRecord) -> str:
    """The hash that a link must carry: of its content and of the hash before it."""
    return digest([row.id, row.at, row.actor_id, row.action, row.subject, row.details, row.previous_hash])


Witness = Callable[[Session], Mapping[str, str]]
"""Gives the digest that every subject of one kind has in the tables now."""


def verify(session: Session, witnesses: Sequence[Witness], later: Sequence[Witness] = ()) -> Verdict:
    """Walk the chain from the first row and compare what it recorded with what the tables hold now.

    An audit row carries the ``digest`` of its own subject, and may vouch for the digests of others.

    Args:
        session: where to read.
        witnesses: the subjects that the chain must know, with their digests computed from the tables again.
        later: subjects that the chain may not know yet, because an earlier schema did not record them.
    """
    problems: list[str] = []
    previous, expected_id = FIRST_HASH, 1
    recorded: dict[str, tuple[int, str]] = {}
    rows = session.execute(select(AuditRecord).order_by(AuditRecord.id)).scalars()
    for row in rows.yield_per(1000):
        if row.id != expected_id:
            problems.append(f"Audit row {expected_id} is missing.")
            expected_id = row.id
        if row.previous_hash != previous:
            problems.append(f"Audit row {row.id} does not follow from the row before it.")
        if row.hash != link_hash(row):
            problems.append(f"Audit row {row.id} ({row.action} {row.subject}) was changed.")
        else:
            details = json.loads(row.details)
            if "digest" in details:
                recorded[row.subject] = (row.id, details["digest"])
            recorded.update({subject: (row.id, of) for subject, of in details.get("vouches", {}).items()})
        previous, expected_id = row.hash, expected_id + 1
    present = {subject: now for witness in witnesses for subject, now in witness(session).items()}
    known = set(present)
    present |= {subject: now for witness in later for subject, now in witness(session).items()}
    for subject, (number, then) in recorded.items():
        now = present.pop(subject, None)
        if now is None:
            problems.append(f"{subject} is gone, though audit row {number} recorded it.")
        elif now != then:
            problems.append(f"{subject} was changed after audit row {number} recorded it.")
    problems.extend(f"{subject} is in no audit row." for subject in present if subject in known)
    return Verdict(expected_id - 1, previous, tuple(problems))
