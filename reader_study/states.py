"""The life of a study: draft, open, locked, unblinded, archived; never backwards."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit, integrity
from reader_study.allocation import allocate_readers
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import DesignError
from reader_study.records import (
    ArmRecord,
    CaseRecord,
    EvidenceMapRecord,
    NearReferenceRecord,
    PredictionRecord,
    StudyRecord,
)
from reader_study.roles import require_role
from reader_study.studies import DESIGNERS, study_named


@dataclass(frozen=True)
class FrozenReference:
    """A reference case near to a study case: its id, known diagnosis, similarity, and a PNG of it."""

    id: str
    diagnosis: str
    similarity: float
    png: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class CaseEvidence:
    """What stands beside the model's answer to a case: an evidence map (PNG) by rank, nearest references."""

    maps: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    references: Sequence[FrozenReference] = ()


def freeze_predictions(
    database: Database,
    study_name: str,
    predictions: Mapping[str, Sequence[tuple[str, float]]],
    identity: Mapping[str, Any],
    *,
    evidence: Mapping[str, CaseEvidence] | None = None,
    actor_id: str = SYSTEM,
) -> None:
    """Store the model's ranked answers for every case of a draft, once and for good.

    Args:
        database: the study database.
        study_name: a study in the state ``draft``.
        predictions: for each case_id at least one (diagnosis id, score), best first.
        identity: the model's identity, as JSON.
        evidence: for each case_id what aided readers are shown beside the list.
        actor_id: who asks.

    Raises:
        DesignError: the study is not a draft, is frozen already, or the predictions do not fit its cases.
    """
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = study_named(session, study_name)
        if study.state != "draft" or study.model_identity is not None:
            raise DesignError(f"The model's predictions for study {study.name} are fixed already.")
        cases = session.scalars(select(CaseRecord).where(CaseRecord.study_id == study.id)).all()
        problems = _prediction_problems({case.code for case in cases}, predictions)
        strange = sorted(set(evidence or {}) - {case.code for case in cases})
        problems += [f"case {code!r} has evidence but is not in the study." for code in strange]
        if problems:
            raise DesignError("The model's predictions do not fit the study.", problems)
        rows = [
            PredictionRecord(case_id=case.id, rank=rank, diagnosis=diagnosis, score=float(score))
            for case in cases
            for rank, (diagnosis, score) in enumerate(predictions[case.code], 1)
        ]
        session.add_all(rows)
        maps, references = _evidence_rows(cases, evidence or {})
        session.add_all([*maps, *references])
        study.model_identity = dict(identity)
        _note(
            database,
            session,
            actor_id,
            "freeze_predictions",
            integrity.predictions_subject(study),
            digest=integrity.predictions_digest(study.model_identity, rows, maps, references),
            identity=study.model_identity,
        )


def _evidence_rows(
    cases: Sequence[CaseRecord], evidence: Mapping[str, CaseEvidence]
) -> tuple[list[EvidenceMapRecord], list[NearReferenceRecord]]:
    maps, references = [], []
    for case in cases:
        given = evidence.get(case.code, CaseEvidence())
        for rank, png in sorted(given.maps.items()):
            sha256 = integrity.sha256(png)
            maps.append(EvidenceMapRecord(case_id=case.id, rank=rank, sha256=sha256, png=png))
        for rank, near in enumerate(given.references, 1):
            references.append(
                NearReferenceRecord(
                    case_id=case.id,
                    rank=rank,
                    reference=near.id,
                    diagnosis=near.diagnosis,
                    similarity=float(near.similarity),
                    sha256=None if near.png is None else integrity.sha256(near.png),
                    png=near.png,
                )
            )
    return maps, references


def _prediction_problems(
    codes: set[str], predictions: Mapping[str, Sequence[tuple[str, float]]]
) -> list[str]:
    problems = [f"case {code!r} has no prediction." for code in sorted(codes) if not predictions.get(code)]
    problems += [f"case {code!r} is not in the study." for code in sorted(set(predictions) - codes)]
    for code in sorted(codes & set(predictions)):
        ranked = predictions[code]
        scores = [score for _, score in ranked]
        if len({diagnosis for diagnosis, _ in ranked}) < len(ranked):
            problems.append(f"case {code!r} names a diagnosis twice.")
        if not all(math.isfinite(score) for score in scores):
            problems.append(f"case {code!r} has a score that is not a number.")
        elif any(earlier < later for earlier, later in pairwise(scores)):
            problems.append(f"case {code!r}: the scores do not fall from rank to rank.")
    return problems


def open_study(
    database: Database, study_name: str, *, actor_id: str = SYSTEM, without_model: bool = False
) -> None:
    """Let readers in: every reader's order is drawn, the model's predictions are fixed.

    Raises:
        DesignError: the study is not a draft, or has no predictions and ``without_model`` is not said.
    """
    with database.transaction() as session:
        study = _step(database, session, study_name, "draft", "open", actor_id)
        if study.model_identity is None and not without_model:
            raise DesignError(
                f"Study {study.name} has no predictions of the model; freeze them first, or open it "
                "without a model."
            )
        if study.model_identity is None and _has_aided_arm(session, study):
            raise DesignError(f"Study {study.name} has an aided arm; freeze the model's predictions first.")
        _require_reference(session, study)
        study.opened_at = database.clock()
        allocate_readers(database, session, study, actor_id)


def _has_aided_arm(session: Session, study: StudyRecord) -> bool:
    query = select(ArmRecord.id).where(ArmRecord.study_id == study.id, ArmRecord.shows_model)
    return session.scalar(query.limit(1)) is not None


def _require_reference(session: Session, study: StudyRecord) -> None:
    query = select(CaseRecord).where(CaseRecord.study_id == study.id).order_by(CaseRecord.position)
    if missing := [case.code for case in session.scalars(query) if not case.reference]:
        shown = ", ".join(missing[:10]) + (" ..." if len(missing) > 10 else "")
        raise DesignError(
            f"Study {study.name} has {len(missing)} cases without a reference standard ({shown}); "
            "let the panel vote and close it."
        )


def lock_study(database: Database, study_name: str, *, actor_id: str = SYSTEM) -> None:
    """End the reading: no answer is taken any more, managers see aggregate results."""
    with database.transaction() as session:
        study = _step(database, session, study_name, "open", "locked", actor_id)
        study.locked_at = database.clock()


def unblind_study(database: Database, study_name: str, *, actor_id: str = SYSTEM) -> None:
    """Show results to the readers too."""
    with database.transaction() as session:
        study = _step(database, session, study_name, "locked", "unblinded", actor_id)
        study.unblinded_at = database.clock()


def archive_study(database: Database, study_name: str, *, actor_id: str = SYSTEM) -> None:
    """Put a finished study away."""
    with database.transaction() as session:
        study = _step(database, session, study_name, "unblinded", "archived", actor_id)
        study.archived_at = database.clock()


def _step(
    database: Database, session: Session, study_name: str, before: str, after: str, actor_id: str
) -> StudyRecord:
    require_role(session, actor_id, DESIGNERS)
    study = study_named(session, study_name)
    if study.state != before:
        raise DesignError(
            f"Study {study.name} is {study.state}; only a study that is {before} can become {after}."
        )
    study.state = after
    vouches = {integrity.state_subject(study): audit.digest(after)}
    subject = f"study {study.name}"
    _note(database, session, actor_id, "change_state", subject, old=before, new=after, vouches=vouches)
    return study


def _note(
    database: Database, session: Session, actor_id: str, action: str, subject: str, **details: object
) -> None:
    audit.append(
        session, at=database.clock(), actor_id=actor_id, action=action, subject=subject, details=details
    )
