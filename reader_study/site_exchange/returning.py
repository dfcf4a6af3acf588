"""What a site gives back: the readings since its package was opened, with its whole audit chain."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import PackageError
from reader_study.records import (
    AuditRecord,
    ConsentRecord,
    ReadingRecord,
    SitePackageRecord,
    StudyRecord,
    UserRecord,
)
from reader_study.roles import require_role
from reader_study.site_exchange.content import MANIFEST, Row, add_json, reading_row
from reader_study.site_exchange.sealed import SCRYPT_N, sealing, sha256_of
from reader_study.studies import DESIGNERS, study_named


@dataclass(frozen=True)
class ReturnPackage:
    """The readings of a site, written to a file; ``head`` is the last hash of the site's chain in it."""

    file: Path
    package: str
    study: str
    site: str
    readings: int
    head: str


def write_return(
    database: Database,
    study_name: str,
    file: Path,
    passphrase: str,
    *,
    actor_id: str = SYSTEM,
    scrypt_n: int = SCRYPT_N,
) -> ReturnPackage:
    """Write the readings of a site; it can be done again later, and what came before is in it too.

    Raises:
        PackageError: the study was not opened from a package, or the file cannot be written.
        DesignError: there is no such study.
        NotAllowed: the actor is neither manager, coordinator nor administrator.
    """
    with database.transaction() as session:
        require_role(session, actor_id, (*DESIGNERS, "coordinator"))
        study = study_named(session, study_name)
        opened = session.scalar(
            select(SitePackageRecord).where(
                SitePackageRecord.study_id == study.id, SitePackageRecord.kind == "opened"
            )
        )
        if opened is None:
            raise PackageError(f"Study {study.name} was not opened from a site package; nothing to return.")
        row = audit.append(
            session,
            at=database.clock(),
            actor_id=actor_id,
            action="return_package",
            subject=f"package {opened.package}",
            details={"study": study.name, "site": opened.site},
        )
        manifest = _manifest(session, study, opened)
        with (
            sealing(
                file,
                passphrase,
                kind="readings",
                package=opened.package,
                secret_key=opened.secret_key,
                n=scrypt_n,
            ) as stream,
            tarfile.open(fileobj=stream, mode="w|") as tar,
        ):
            add_json(tar, MANIFEST, manifest)
        session.add(
            SitePackageRecord(
                package=opened.package,
                kind="returned",
                study_id=study.id,
                site=opened.site,
                public_key=opened.public_key,
                sha256=sha256_of(file),
                details={"readings": len(manifest["readings"]), "head": row.hash},
                at=database.clock(),
            )
        )
        return ReturnPackage(
            file, opened.package, study.name, opened.site, len(manifest["readings"]), row.hash
        )


def opened_here(database: Database, *, actor_id: str = SYSTEM) -> tuple[str, ...]:
    """Names of the studies that were opened here from a package, the latest first.

    Raises:
        NotAllowed: the actor is neither manager, coordinator nor administrator.
    """
    with database.session() as session:
        require_role(session, actor_id, (*DESIGNERS, "coordinator"))
        query = (
            select(StudyRecord.name)
            .join(SitePackageRecord, SitePackageRecord.study_id == StudyRecord.id)
            .where(SitePackageRecord.kind == "opened")
            .order_by(SitePackageRecord.id.desc())
        )
        return tuple(session.scalars(query))


def _manifest(session: Session, study: StudyRecord, opened: SitePackageRecord) -> Row:
    """Everything since the opening; readings that came with the package are known at the server."""
    readings = session.scalars(
        select(ReadingRecord)
        .where(ReadingRecord.study_id == study.id)
        .order_by(ReadingRecord.id)
        .offset(opened.details["readings"])
    ).all()
    readers = sorted({reading.reader_id for reading in readings})
    people = session.scalars(select(UserRecord).where(UserRecord.id.in_(readers)))
    consents = session.scalars(select(ConsentRecord).where(ConsentRecord.study_id == study.id))
    chain = session.scalars(select(AuditRecord).order_by(AuditRecord.id))
    return {
        "format": 1,
        "package": opened.package,
        "study": study.name,
        "site": opened.site,
        "readings": [reading_row(session, reading) for reading in readings],
        "consents": [[row.reader_id, row.text_sha256, row.agreed_at.isoformat()] for row in consents],
        "profiles": [
            {
                "reader": user.id,
                "years": user.years,
                "country": user.country,
                "specialty": user.specialty,
                "profile_at": user.profile_at.isoformat() if user.profile_at else None,
            }
            for user in people
        ],
        "chain": [
            [row.id, row.at, row.actor_id, row.action, row.subject, row.details, row.previous_hash, row.hash]
            for row in chain
        ],
    }
