"""A package opened at a site: an instance of its own, where the site's readers go on where they stood."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit, integrity, invitations
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import PackageError
from reader_study.records import SitePackageRecord, StudyRecord
from reader_study.roles import require_role
from reader_study.site_exchange import local_rows
from reader_study.site_exchange.content import Row, read_manifest, understood
from reader_study.site_exchange.photographs import unpack
from reader_study.site_exchange.sealed import Header, fingerprint, opening, sha256_of
from reader_study.studies import DESIGNERS


@dataclass(frozen=True)
class OpenedSite:
    """What was opened; ``links`` are one-time tokens by which each reader (user name) sets a password."""

    package: str
    study: str
    site: str
    cases: int
    fingerprint: str
    links: dict[str, str] = field(repr=False)


def open_package(
    database: Database,
    file: Path,
    passphrase: str,
    images: Path,
    *,
    public_key: str | None = None,
    actor_id: str = SYSTEM,
) -> OpenedSite:
    """Make a site's study in this database, with its images in a folder that only the owner can read.

    Args:
        database: of the site, with its tables.
        file: the package.
        passphrase: told to the site apart from the package.
        images: folder for the photographs, under names that say nothing.
        public_key: of the server that must have signed the package, or its fingerprint; ``None`` trusts the
            key it names, whose fingerprint is given back to be compared.
        actor_id: who opens it.

    Raises:
        PackageError: the package cannot be opened, or its study is here already.
        NotAllowed: the actor is neither manager nor administrator.
    """
    with database.session() as session:
        require_role(session, actor_id, DESIGNERS)
    with (
        opening(file, passphrase, kind="study", public_key=public_key) as (header, stream),
        _folder_for(header, images) as folder,
        understood(),
    ):
        manifest, tar = read_manifest(stream)
        with database.session() as session:
            _must_be_new(session, manifest["study"]["name"])
        paths, sha256 = unpack(tar, manifest["cases"], folder), sha256_of(file)
        with database.transaction() as session:
            require_role(session, actor_id, DESIGNERS)
            _must_be_new(session, manifest["study"]["name"])
            study = local_rows.store_study(database, session, manifest, paths, actor_id)
            local_rows.store_readers(database, session, study, manifest["readers"])
            local_rows.store_places(database, session, study, manifest, actor_id)
            local_rows.store_model(database, session, study, manifest["model"], actor_id)
            local_rows.store_earlier(database, session, study, manifest, actor_id)
            _note_opening(database, session, study, manifest, header, sha256, actor_id)
    links = {
        row["username"]: invitations.reset_link(database, row["username"], days=30, actor_id=actor_id).token
        for row in manifest["readers"]
    }
    return OpenedSite(
        package=header.package,
        study=manifest["study"]["name"],
        site=manifest["site"],
        cases=len(manifest["cases"]),
        fingerprint=fingerprint(header.public_key),
        links=links,
    )


@contextmanager
def _folder_for(header: Header, images: Path) -> Iterator[Path]:
    """A folder of its own for the photographs of a package, gone again where the block fails."""
    folder = images / f"{header.package}-{secrets.token_hex(4)}"
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _must_be_new(session: Session, name: str) -> None:
    if session.scalar(select(StudyRecord.id).where(StudyRecord.name == name)):
        raise PackageError(f"There is already a study named {name!r}.")


def _note_opening(
    database: Database,
    session: Session,
    study: StudyRecord,
    manifest: Row,
    header: Header,
    sha256: str,
    actor_id: str,
) -> None:
    session.add(
        SitePackageRecord(
            package=header.package,
            kind="opened",
            study_id=study.id,
            site=manifest["site"],
            public_key=header.public_key,
            secret_key=manifest["return_key"],
            sha256=sha256,
            details={"readings": len(manifest["readings"])},
            at=database.clock(),
        )
    )
    audit.append(
        session,
        at=database.clock(),
        actor_id=actor_id,
        action="open_package",
        subject=f"package {header.package}",
        details={
            "study": study.name,
            "site": manifest["site"],
            "sha256": sha256,
            "signed_by": header.public_key,
            "vouches": {integrity.state_subject(study): audit.digest(study.state)},
        },
    )
