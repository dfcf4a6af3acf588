"""A package opened at a site: an instance of its own, where the site's readers go on where they stood."""

import base64
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit, integrity, invitations
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.design import note_cases
from reader_study.errors import PackageError, StudyError
from reader_study.passwords import NO_PASSWORD
from reader_study.records import (
    ArmRecord,
    AssignmentRecord,
    CaseRecord,
    EnrolmentRecord,
    EvidenceMapRecord,
    NearReferenceRecord,
    PeriodRecord,
    PredictionRecord,
    ReferenceRecord,
    SitePackageRecord,
    StudyRecord,
    UserRecord,
)
from reader_study.site_exchange.content import (
    Row,
    find_place,
    moment,
    read_manifest,
    store_consent,
    store_reading,
)
from reader_study.site_exchange.photographs import unpack
from reader_study.site_exchange.sealed import Header, fingerprint, opening, sha256_of


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
    database: Database, file: Path, passphrase: str, images: Path, *, public_key: str | None = None
) -> OpenedSite:
    """Make a site's study in this database, with its images in a folder that only the owner can read.

    Args:
        database: of the site, with its tables.
        file: the package.
        passphrase: told to the site apart from the package.
        images: folder for the photographs, under names that say nothing.
        public_key: of the server that must have signed the package; ``None`` trusts the key it names, whose
            fingerprint is given back to be compared.

    Raises:
        PackageError: the package cannot be opened, or its study is here already.
    """
    with opening(file, passphrase, kind="study", public_key=public_key) as (header, stream):
        manifest, tar = read_manifest(stream)
        with database.session() as session:
            name = manifest["study"]["name"]
            if session.scalar(select(StudyRecord.id).where(StudyRecord.name == name)):
                raise PackageError(f"There is already a study named {name!r} here.")
        paths = unpack(tar, manifest["cases"], images / header.package)
    try:
        with database.transaction() as session:
            study = _store_study(database, session, manifest, paths)
            _store_readers(database, session, study, manifest["readers"])
            _store_places(database, session, study, manifest)
            _store_model(database, session, study, manifest["model"])
            _store_earlier(database, session, study, manifest)
            _note_opening(database, session, study, manifest, header, sha256_of(file))
    except StudyError:
        shutil.rmtree(images / header.package, ignore_errors=True)
        raise
    links = {
        row["username"]: invitations.reset_link(database, row["username"], days=30).token
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


def _store_study(database: Database, session: Session, manifest: Row, paths: dict[str, Path]) -> StudyRecord:
    now = database.clock()
    study = StudyRecord(**manifest["study"], state="open", created_at=now, opened_at=now)
    session.add(study)
    session.flush()
    arms = [ArmRecord(study_id=study.id, name=name, shows_model=shows) for name, shows in manifest["arms"]]
    session.add_all(arms)
    session.flush()
    numbers = {arm.name: arm.id for arm in arms}
    for sequence, number, arm in manifest["periods"]:
        session.add(PeriodRecord(study_id=study.id, sequence=sequence, number=number, arm_id=numbers[arm]))
    for row in manifest["cases"]:
        case = CaseRecord(
            study_id=study.id,
            code=row["code"],
            position=row["position"],
            image_path=str(paths[row["code"]].resolve()),
            image_sha256=row["sha256"],
            practice=row["practice"],
            extra={},
        )
        case.reference = [
            ReferenceRecord(position=number, diagnosis=diagnosis, established_by=by)
            for number, (diagnosis, by) in enumerate(row["reference"], 1)
        ]
        session.add(case)
    session.flush()
    note_cases(database, session, study, SYSTEM, "open_package")
    return study


def _store_readers(database: Database, session: Session, study: StudyRecord, readers: list[Row]) -> None:
    for row in readers:
        user = session.get(UserRecord, row["id"])
        if user is None:
            if session.scalar(select(UserRecord.id).where(UserRecord.username == row["username"])):
                raise PackageError(f"There is already another user named {row['username']!r} here.")
            user = UserRecord(
                id=row["id"],
                code=row["code"],
                username=row["username"],
                password_hash=NO_PASSWORD,
                role="reader",
                site=row["site"],
                years=row["years"],
                country=row["country"],
                specialty=row["specialty"],
                profile_at=moment(row["profile_at"]) if row["profile_at"] else None,
                created_at=database.clock(),
            )
            session.add(user)
            session.flush()
        session.add(
            EnrolmentRecord(
                study_id=study.id,
                reader_id=user.id,
                ordinal=row["ordinal"],
                sequence=row["sequence"],
                block=row["block"],
                enrolled_at=database.clock(),
            )
        )
    session.flush()


def _store_places(database: Database, session: Session, study: StudyRecord, manifest: Row) -> None:
    cases = {
        row.code: row.id for row in session.scalars(select(CaseRecord).where(CaseRecord.study_id == study.id))
    }
    arms = {
        row.name: row.id for row in session.scalars(select(ArmRecord).where(ArmRecord.study_id == study.id))
    }
    for reader, period, position, case, arm, repeat in manifest["places"]:
        session.add(
            AssignmentRecord(
                study_id=study.id,
                reader_id=reader,
                period=period,
                position=position,
                case_id=cases[case],
                arm_id=arms[arm],
                repeat=repeat,
            )
        )
    session.flush()
    for reader in manifest["readers"]:
        rows = session.scalars(
            select(AssignmentRecord)
            .where(AssignmentRecord.study_id == study.id)
            .where(AssignmentRecord.reader_id == reader["id"])
        ).all()
        audit.append(
            session,
            at=database.clock(),
            actor_id=SYSTEM,
            action="allocate",
            subject=integrity.order_subject(study, reader["code"]),
            details={"digest": integrity.order_digest(rows), "procedure": "as sent", "places": len(rows)},
        )


def _case_ids(session: Session, study: StudyRecord) -> dict[str, int]:
    query = select(CaseRecord).where(CaseRecord.study_id == study.id)
    return {row.code: row.id for row in session.scalars(query)}


def _store_model(database: Database, session: Session, study: StudyRecord, model: Row) -> None:
    cases = {
        row.code: row.id for row in session.scalars(select(CaseRecord).where(CaseRecord.study_id == study.id))
    }
    predictions, maps, near = [], [], []
    for code, shown in model.items():
        case_id = cases[code]
        for rank, diagnosis, score in shown["entries"]:
            predictions.append(PredictionRecord(case_id=case_id, rank=rank, diagnosis=diagnosis, score=score))
        for rank, sha256, png in shown["maps"]:
            maps.append(
                EvidenceMapRecord(case_id=case_id, rank=rank, sha256=sha256, png=base64.b64decode(png))
            )
        for rank, reference, diagnosis, similarity, sha256, png in shown["references"]:
            near.append(
                NearReferenceRecord(
                    case_id=case_id,
                    rank=rank,
                    reference=reference,
                    diagnosis=diagnosis,
                    similarity=similarity,
                    sha256=sha256,
                    png=None if png is None else base64.b64decode(png),
                )
            )
    session.add_all([*predictions, *maps, *near])
    session.flush()
    if predictions or study.model_identity is not None:
        audit.append(
            session,
            at=database.clock(),
            actor_id=SYSTEM,
            action="freeze_predictions",
            subject=integrity.predictions_subject(study),
            details={"digest": integrity.predictions_digest(study.model_identity, predictions, maps, near)},
        )


def _store_earlier(database: Database, session: Session, study: StudyRecord, manifest: Row) -> None:
    """What the readers answered and agreed to at the server, so that they go on where they stood."""
    for consent in manifest["consents"]:
        store_consent(database, session, study, consent, SYSTEM, {})
    for row in manifest["readings"]:
        place = find_place(session, study, row)
        if place is None:
            raise PackageError("The package has a reading at a place that it does not have.")
        store_reading(database, session, place, row, SYSTEM, {"package": manifest["package"]})


def _note_opening(
    database: Database, session: Session, study: StudyRecord, manifest: Row, header: Header, sha256: str
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
        actor_id=SYSTEM,
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
