"""The photographs of a study's cases, as files: which ones are read side by side, which ones just now."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, select

from reader_study.database import Database
from reader_study.records import AssignmentRecord, CaseRecord, StudyRecord, TokenRecord
from reader_study.tokens import token_hash


@dataclass(frozen=True)
class CasePhotograph:
    """A case's code, its image file and the SHA-256 that this was imported with."""

    case: str
    path: Path
    sha256: str


def photographs_beside(database: Database, token: str) -> tuple[CasePhotograph, ...]:
    """All photographs of the study that a token reads in; whether it may read is ``conduct``'s to say."""
    study = (
        select(AssignmentRecord.study_id)
        .join(TokenRecord, TokenRecord.assignment_id == AssignmentRecord.id)
        .where(TokenRecord.token_hash == token_hash(token))
        .scalar_subquery()
    )
    return _photographs(database, StudyRecord.id == study)


def photographs_of(database: Database, study: str) -> tuple[CasePhotograph, ...]:
    """All photographs of the study of that name, none where there is no such study."""
    return _photographs(database, StudyRecord.name == study)


def photographs_being_read(database: Database) -> dict[str, tuple[CasePhotograph, ...]]:
    """The photographs of every open study, by the study's name."""
    return _by_study(database, StudyRecord.state == "open")


def _photographs(database: Database, which: ColumnElement[bool]) -> tuple[CasePhotograph, ...]:
    return next(iter(_by_study(database, which).values()), ())


def _by_study(database: Database, which: ColumnElement[bool]) -> dict[str, tuple[CasePhotograph, ...]]:
    query = (
        select(StudyRecord.name, CaseRecord.code, CaseRecord.image_path, CaseRecord.image_sha256)
        .join(CaseRecord, CaseRecord.study_id == StudyRecord.id)
        .where(which)
        .order_by(StudyRecord.id, CaseRecord.position)
    )
    found: dict[str, list[CasePhotograph]] = defaultdict(list)
    with database.session() as session:
        for name, code, path, sha256 in session.execute(query):
            found[name].append(CasePhotograph(code, Path(path), sha256))
    return {name: tuple(photographs) for name, photographs in found.items()}
