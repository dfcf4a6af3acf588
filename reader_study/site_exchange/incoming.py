"""The readings of a site taken in: chain checked, nothing twice, every conflict listed and left out."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reader_study import audit
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import PackageError
from reader_study.protocol import config_of
from reader_study.records import (
    AssignmentRecord,
    AuditRecord,
    CaseRecord,
    ConsentRecord,
    ReadingRecord,
    SiteAuditRecord,
    SitePackageRecord,
    StudyRecord,
    UserRecord,
)
from reader_study.roles import require_role
from reader_study.site_exchange.content import (
    Row,
    find_place,
    moment,
    origin_digest,
    read_manifest,
    same_answer,
    store_consent,
    store_reading,
    understood,
)
from reader_study.site_exchange.sealed import header_of, opening, sha256_of
from reader_study.standing import current_reading
from reader_study.studies import DESIGNERS


@dataclass(frozen=True)
class ImportReport:
    """What became of a site's readings; ``conflicts`` says in words what was not taken in, and why."""

    package: str
    study: str
    site: str
    imported: int
    already_here: int
    conflicts: tuple[str, ...]


def import_package(
    database: Database, file: Path, passphrase: str, *, actor_id: str = SYSTEM
) -> ImportReport:
    """Take in what a site read. Doing it again, or with a later package of the same site, adds what is new.

    Raises:
        PackageError: the package is not an answer to one of ours, was changed, or its chain does not hold.
        NotAllowed: the actor is neither manager nor administrator.
    """
    number = header_of(file).package
    with database.session() as session:
        require_role(session, actor_id, DESIGNERS)
        key = _sent(session, number).public_key
    with opening(file, passphrase, kind="readings", public_key=key) as (_, stream):
        manifest, _ = read_manifest(stream)
    with understood(), database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        sent = _sent(session, number)
        study = session.get_one(StudyRecord, sent.study_id)
        if study.state != "open":
            raise PackageError(f"Study {study.name} is {study.state}; it takes no readings any more.")
        head = _take_chain(session, number, manifest)
        origin = {"package": number, "site": sent.site, "head": head}
        imported, already, conflicts = 0, 0, []
        for row in manifest["readings"]:
            problem = _problem(session, study, sent, row)
            if problem == "":
                already += 1
            elif problem is not None:
                conflicts.append(problem)
            else:
                place = find_place(session, study, row)
                assert place is not None, "checked above"
                seen = {**origin, "digest": origin_digest(row)}
                store_reading(database, session, place, row, actor_id, seen)
                imported += 1
        _take_consents(database, session, study, manifest, actor_id)
        _take_profiles(database, session, manifest, actor_id)
        _note(database, session, sent, file, head, imported, already, conflicts, actor_id)
        return ImportReport(number, study.name, sent.site, imported, already, tuple(conflicts))


def _sent(session: Session, package: str) -> SitePackageRecord:
    query = select(SitePackageRecord).where(
        SitePackageRecord.package == package, SitePackageRecord.kind == "sent"
    )
    sent = session.scalar(query)
    if sent is None:
        raise PackageError("This package does not answer one that was sent from here.")
    return sent


def _take_chain(session: Session, package: str, manifest: Row) -> str:
    """Check the site's chain link by link, that it goes on from what came before, and that it vouches.

    Returns:
        Its last hash.
    """
    here = {
        row.id: row.hash
        for row in session.scalars(select(SiteAuditRecord).where(SiteAuditRecord.package == package))
    }
    columns = ("id", "at", "actor_id", "action", "subject", "details", "previous_hash", "hash")
    previous, vouched = audit.FIRST_HASH, {}
    for number, values in enumerate(manifest["chain"], 1):
        row = dict(zip(columns, values, strict=True))
        link = AuditRecord(**row)
        if link.id != number or link.previous_hash != previous or link.hash != audit.link_hash(link):
            raise PackageError(f"The site's audit chain is broken at row {number}; nothing was imported.")
        if number in here and here[number] != link.hash:
            raise PackageError(
                f"The site's audit chain was written anew from row {number} on; nothing was imported."
            )
        if number not in here:
            session.add(SiteAuditRecord(package=package, **row))
        details = json.loads(link.details)
        if "digest" in details:
            vouched[link.subject] = details["digest"]
        previous = link.hash
    if len(here) > len(manifest["chain"]):
        raise PackageError("The package is older than one that was imported already.")
    for row in manifest["readings"]:
        if vouched.get(f"reading {row['ids']['reading']}") != origin_digest(row):
            raise PackageError(
                f"Reading {row['ids']['reading']} of the site is not the one in its audit chain; "
                "nothing was imported."
            )
    session.flush()
    return previous


def _problem(session: Session, study: StudyRecord, sent: SitePackageRecord, row: Row) -> str | None:
    """Why a reading is not taken in: ``""`` where it is here already, ``None`` where it is taken."""
    place = find_place(session, study, row)
    user = session.get(UserRecord, row["reader"])
    if place is None or user is None or user.code not in sent.details["readers"]:
        return f"A reading of {row['case']} is by nobody to whom the package was sent."
    where = f"{user.code}, period {place.period}, case {row['case']}"
    if session.get_one(CaseRecord, place.case_id).code != row["case"] or place.repeat != row["repeat"]:
        return f"{where}: the order of cases is another one here."
    stored = session.scalar(
        select(ReadingRecord).where(
            ReadingRecord.assignment_id == place.id, ReadingRecord.revision == row["revision"]
        )
    )
    if stored is not None:
        return "" if same_answer(row, stored) else f"{where}: read here too, with another answer."
    stands = current_reading(session, place)
    if (stands.revision if stands is not None else 0) != row["revision"] - 1:
        return f"{where}: revision {row['revision']} does not follow what stands here."
    if (broken := _breaks_protocol(session, study, place, row)) is not None:
        return f"{where}: {broken}."
    return None


def _breaks_protocol(session: Session, study: StudyRecord, place: AssignmentRecord, row: Row) -> str | None:
    """What of the protocol a reading does not keep; a site's own instance refuses all of this."""
    if not 1 <= len(row["entries"]) <= study.k or not 1 <= row["confidence"] <= study.confidence_levels:
        return "the answer is none that the protocol allows"
    if row["revision"] > 1 and not config_of(study)["corrections"]:
        return "the protocol allows no corrections"
    before = session.scalar(
        select(func.max(ReadingRecord.submitted_at)).where(
            ReadingRecord.study_id == study.id,
            ReadingRecord.reader_id == place.reader_id,
            ReadingRecord.period < place.period,
        )
    )
    if study.design == "sequential" or before is None:
        return None
    if moment(row["submitted_at"]) < before + timedelta(days=study.wash_out_days):
        return "read before the wash-out was over"
    return None


def _take_consents(
    database: Database, session: Session, study: StudyRecord, manifest: Row, actor_id: str
) -> None:
    for reader, text_sha256, agreed_at in manifest["consents"]:
        query = select(ConsentRecord.id).where(
            ConsentRecord.study_id == study.id,
            ConsentRecord.reader_id == reader,
            ConsentRecord.text_sha256 == text_sha256,
        )
        if session.scalar(query) is not None or session.get(UserRecord, reader) is None:
            continue
        consent = (reader, text_sha256, agreed_at)
        store_consent(database, session, study, consent, actor_id, {"package": manifest["package"]})


def _take_profiles(database: Database, session: Session, manifest: Row, actor_id: str) -> None:
    """A profile that was told at the site is taken where none was told here."""
    for row in manifest["profiles"]:
        user = session.get(UserRecord, row["reader"])
        if user is None or user.profile_at is not None or row["profile_at"] is None:
            continue
        user.years, user.country, user.specialty = row["years"], row["country"], row["specialty"]
        user.profile_at = moment(row["profile_at"])
        audit.append(
            session,
            at=database.clock(),
            actor_id=actor_id,
            action="import_profile",
            subject=f"user {user.code}",
            details={"new": [user.site, user.country, user.specialty, user.years]},
        )


def _note(
    database: Database,
    session: Session,
    sent: SitePackageRecord,
    file: Path,
    head: str,
    imported: int,
    already: int,
    conflicts: list[str],
    actor_id: str,
) -> None:
    sha256 = sha256_of(file)
    facts = {"imported": imported, "already_here": already, "conflicts": conflicts, "head": head}
    query = select(SitePackageRecord.id).where(
        SitePackageRecord.package == sent.package,
        SitePackageRecord.kind == "received",
        SitePackageRecord.sha256 == sha256,
    )
    if session.scalar(query) is None:
        session.add(
            SitePackageRecord(
                package=sent.package,
                kind="received",
                study_id=sent.study_id,
                site=sent.site,
                public_key=sent.public_key,
                sha256=sha256,
                details=facts,
                at=database.clock(),
            )
        )
    audit.append(
        session,
        at=database.clock(),
        actor_id=actor_id,
        action="import_package",
        subject=f"package {sent.package}",
        details={"site": sent.site, "sha256": sha256, **facts},
    )
