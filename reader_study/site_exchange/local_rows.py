"""The rows of a site's study, as its package has them, stored in the database of the site."""

import base64
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit, integrity
from reader_study.accounts import normal_name
from reader_study.database import Database
from reader_study.design import note_cases
from reader_study.errors import PackageError
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
    StudyRecord,
    UserRecord,
)
from reader_study.site_exchange.content import Row, find_place, moment, store_consent, store_reading


def store_study(
    database: Database, session: Session, manifest: Row, paths: dict[str, Path], actor_id: str
) -> StudyRecord:
    """The study with its arms, periods and cases; the photographs are where ``paths`` says, by case code."""
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
    note_cases(database, session, study, actor_id, "open_package")
    return study


def store_readers(database: Database, session: Session, study: StudyRecord, readers: list[Row]) -> None:
    """Accounts without a password for the site's readers, or those that they have here already, enrolled.

    Raises:
        PackageError: an account here has a reader's name or number and is not that reader's, or is disabled.
    """
    for row in readers:
        user, name = session.get(UserRecord, row["id"]), normal_name(row["username"])
        if user is None:
            if session.scalar(select(UserRecord.id).where(UserRecord.username == name)):
                raise PackageError(f"There is already another user named {name!r} here.")
            user = UserRecord(
                id=row["id"],
                code=row["code"],
                username=name,
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
        elif user.username != name or user.role != "reader":
            raise PackageError(f"There is already another user named {user.username!r} here.")
        elif not user.active:
            raise PackageError(f"The account {name!r} is disabled here; enable it first.")
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


def store_places(
    database: Database, session: Session, study: StudyRecord, manifest: Row, actor_id: str
) -> None:
    """The order of cases of each reader, as it was drawn at the server."""
    cases = _case_ids(session, study)
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
            actor_id=actor_id,
            action="allocate",
            subject=integrity.order_subject(study, reader["code"]),
            details={"digest": integrity.order_digest(rows), "procedure": "as sent", "places": len(rows)},
        )


def store_model(database: Database, session: Session, study: StudyRecord, model: Row, actor_id: str) -> None:
    """The model's frozen answers with their evidence maps and reference cases."""
    cases = _case_ids(session, study)
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
            actor_id=actor_id,
            action="freeze_predictions",
            subject=integrity.predictions_subject(study),
            details={"digest": integrity.predictions_digest(study.model_identity, predictions, maps, near)},
        )


def store_earlier(
    database: Database, session: Session, study: StudyRecord, manifest: Row, actor_id: str
) -> None:
    """What the readers answered and agreed to at the server, so that they go on where they stood."""
    for consent in manifest["consents"]:
        store_consent(database, session, study, consent, actor_id, {})
    for row in manifest["readings"]:
        place = find_place(session, study, row)
        if place is None:
            raise PackageError("The package has a reading at a place that it does not have.")
        store_reading(database, session, place, row, actor_id, {"package": manifest["package"]})


def _case_ids(session: Session, study: StudyRecord) -> dict[str, int]:
    query = select(CaseRecord).where(CaseRecord.study_id == study.id)
    return {row.code: row.id for row in session.scalars(query)}
