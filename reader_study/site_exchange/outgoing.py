"""A package for a site: its readers, their orders, cases and answers so far, and the model's answers.

The reference standard stays here: a site gets that of practice cases only, for their feedback.
"""

import base64
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from reader_study import audit
from reader_study.audit import SYSTEM
from reader_study.case_list import image_sha256
from reader_study.database import Database
from reader_study.errors import PackageError
from reader_study.records import (
    ArmRecord,
    AssignmentRecord,
    CaseRecord,
    ConsentRecord,
    EnrolmentRecord,
    EvidenceMapRecord,
    NearReferenceRecord,
    PeriodRecord,
    PredictionRecord,
    ReadingRecord,
    SigningKeyRecord,
    SitePackageRecord,
    StudyRecord,
    UserRecord,
)
from reader_study.roles import require_role
from reader_study.site_exchange.content import MANIFEST, Row, add_bytes, add_json, reading_row
from reader_study.site_exchange.sealed import SCRYPT_N, fingerprint, new_key, sealing, sha256_of
from reader_study.studies import DESIGNERS, study_named

STUDY_COLUMNS = (
    "name",
    "title",
    "protocol_version",
    "design",
    "label_set",
    "label_set_version",
    "k",
    "confidence_levels",
    "wash_out_days",
    "seed",
    "synthetic",
    "config",
    "vocabulary",
    "model_identity",
)


@dataclass(frozen=True)
class SentPackage:
    """A package that was written; the site compares ``fingerprint`` when it opens it."""

    file: Path
    package: str
    study: str
    site: str
    readers: int
    cases: int
    bytes: int
    fingerprint: str


def export_site(
    database: Database,
    study_name: str,
    site: str,
    file: Path,
    passphrase: str,
    *,
    actor_id: str = SYSTEM,
    scrypt_n: int = SCRYPT_N,
) -> SentPackage:
    """Write everything that the readers of a site need to read an open study without this server.

    The file is written between two short transactions: photographs take long, and readers go on meanwhile.

    Raises:
        PackageError: the study is not open, nobody of the site is enrolled, an image was changed, the
            passphrase is too short, or the file cannot be written.
        DesignError: there is no such study.
        NotAllowed: the actor is neither manager nor administrator.
    """
    return_secret, return_public = new_key()
    package = "S-" + secrets.token_hex(8)
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        _open_study(session, study_name)
        secret_key, public_key = server_key(database, session)
    with database.session() as session:
        manifest, cases = _manifest(session, _open_study(session, study_name), site)
    manifest |= {"package": package, "return_key": return_secret}
    with (
        sealing(file, passphrase, kind="study", package=package, secret_key=secret_key, n=scrypt_n) as stream,
        tarfile.open(fileobj=stream, mode="w|") as tar,
    ):
        add_json(tar, MANIFEST, manifest)
        for number, case in enumerate(cases):
            add_bytes(tar, f"images/{number}", _image(case))
    sha256 = sha256_of(file)
    with _gone_if_not_noted(file), database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = _open_study(session, study_name)
        session.add(
            SitePackageRecord(
                package=package,
                kind="sent",
                study_id=study.id,
                site=site,
                public_key=return_public,
                sha256=sha256,
                details={"readers": [row["code"] for row in manifest["readers"]], "cases": len(cases)},
                at=database.clock(),
            )
        )
        audit.append(
            session,
            at=database.clock(),
            actor_id=actor_id,
            action="send_package",
            subject=f"package {package}",
            details={
                "study": study.name,
                "site": site,
                "sha256": sha256,
                "return_key": return_public,
                "readers": [row["code"] for row in manifest["readers"]],
            },
        )
    return SentPackage(
        file=file,
        package=package,
        study=study_name,
        site=site,
        readers=len(manifest["readers"]),
        cases=len(cases),
        bytes=file.stat().st_size,
        fingerprint=fingerprint(public_key),
    )


def _open_study(session: Session, name: str) -> StudyRecord:
    study = study_named(session, name)
    if study.state != "open":
        raise PackageError(f"Study {study.name} is {study.state}; only an open study is sent to a site.")
    return study


@contextmanager
def _gone_if_not_noted(file: Path) -> Iterator[None]:
    """Take a package away again that the database could not note: its return would be refused."""
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def server_key(database: Database, session: Session) -> tuple[str, str]:
    """The key that signs what this server sends, made at its first use."""
    row = session.get(SigningKeyRecord, "packages")
    if row is None:
        secret, public = new_key()
        row = SigningKeyRecord(
            name="packages", secret_key=secret, public_key=public, created_at=database.clock()
        )
        session.add(row)
        session.flush()
    return row.secret_key, row.public_key


def _image(case: CaseRecord) -> bytes:
    path = Path(case.image_path)
    if not path.is_file() or image_sha256(path) != case.image_sha256:
        raise PackageError(f"The image of case {case.code} is missing or was changed.")
    return path.read_bytes()


def _manifest(session: Session, study: StudyRecord, site: str) -> tuple[Row, list[CaseRecord]]:
    people = session.execute(
        select(UserRecord, EnrolmentRecord)
        .join(EnrolmentRecord, EnrolmentRecord.reader_id == UserRecord.id)
        .where(
            EnrolmentRecord.study_id == study.id,
            UserRecord.site == site,
            UserRecord.active,
            ~UserRecord.simulated,
        )
        .order_by(EnrolmentRecord.ordinal)
    ).all()
    if not people:
        raise PackageError(f"Study {study.name} has no active readers at the site {site!r}.")
    ids = [user.id for user, _ in people]
    places = session.scalars(
        select(AssignmentRecord)
        .where(AssignmentRecord.study_id == study.id, AssignmentRecord.reader_id.in_(ids))
        .order_by(AssignmentRecord.id)
    ).all()
    needed = {place.case_id for place in places}
    cases = [
        case
        for case in session.scalars(
            select(CaseRecord)
            .where(CaseRecord.study_id == study.id)
            .order_by(CaseRecord.position)
            .options(selectinload(CaseRecord.reference))
        )
        if case.id in needed
    ]
    codes = {case.id: case.code for case in cases}
    arms = {arm.id: arm for arm in session.scalars(select(ArmRecord).where(ArmRecord.study_id == study.id))}
    periods = session.scalars(select(PeriodRecord).where(PeriodRecord.study_id == study.id))
    readings = session.scalars(
        select(ReadingRecord)
        .where(ReadingRecord.study_id == study.id, ReadingRecord.reader_id.in_(ids))
        .order_by(ReadingRecord.id)
    ).all()
    consents = session.scalars(
        select(ConsentRecord).where(ConsentRecord.study_id == study.id, ConsentRecord.reader_id.in_(ids))
    )
    manifest: Row = {
        "format": 1,
        "site": site,
        "study": {name: getattr(study, name) for name in STUDY_COLUMNS},
        "arms": [[arm.name, arm.shows_model] for arm in arms.values()],
        "periods": [[row.sequence, row.number, arms[row.arm_id].name] for row in periods],
        "cases": [_case(case) for case in cases],
        "readers": [_reader(user, enrolment) for user, enrolment in people],
        "places": [
            [row.reader_id, row.period, row.position, codes[row.case_id], arms[row.arm_id].name, row.repeat]
            for row in places
        ],
        "readings": [reading_row(session, reading) for reading in readings],
        "consents": [[row.reader_id, row.text_sha256, row.agreed_at.isoformat()] for row in consents],
        "model": _model(session, cases) if any(arm.shows_model for arm in arms.values()) else {},
    }
    return manifest, cases


def _case(case: CaseRecord) -> Row:
    return {
        "code": case.code,
        "position": case.position,
        "sha256": case.image_sha256,
        "practice": case.practice,
        "reference": [[row.diagnosis, row.established_by] for row in case.reference] if case.practice else [],
    }


def _reader(user: UserRecord, enrolment: EnrolmentRecord) -> Row:
    return {
        "id": user.id,
        "code": user.code,
        "username": user.username,
        "site": user.site,
        "years": user.years,
        "country": user.country,
        "specialty": user.specialty,
        "profile_at": user.profile_at.isoformat() if user.profile_at else None,
        "ordinal": enrolment.ordinal,
        "sequence": enrolment.sequence,
        "block": enrolment.block,
    }


def _model(session: Session, cases: list[CaseRecord]) -> Row:
    """The model's frozen answers with what is shown beside them."""
    result: Row = {}
    for case in cases:
        predictions = session.scalars(select(PredictionRecord).where(PredictionRecord.case_id == case.id))
        maps = session.scalars(select(EvidenceMapRecord).where(EvidenceMapRecord.case_id == case.id))
        near = session.scalars(select(NearReferenceRecord).where(NearReferenceRecord.case_id == case.id))
        result[case.code] = {
            "entries": [[row.rank, row.diagnosis, row.score] for row in predictions],
            "maps": [[row.rank, row.sha256, _text(row.png)] for row in maps],
            "references": [
                [row.rank, row.reference, row.diagnosis, row.similarity, row.sha256, _text(row.png)]
                for row in near
            ],
        }
    return result


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()
