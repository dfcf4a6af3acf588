"""The life of a study: draft, open, locked, unblinded, archived; never backwards."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit, integrity
from reader_study.accounts import require_role
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.design import DESIGNERS, allocate_readers, study_named
from reader_study.errors import DesignError
from reader_study.records import CaseRecord, PredictionRecord, StudyRecord


def freeze_predictions(
    database: Database,
    study_name: str,
    predictions: Mapping[str, Sequence[tuple[str, float]]],
    identity: Mapping[str, Any],
    *,
    actor_id: str = SYSTEM,
) -> None:
    """Store the model's ranked answers for every case of a draft, once and for good.

    Args:
        database: the study database.
        study_name: a study in the state ``draft``.
        predictions: for each case_id at least one (diagnosis id, score), best first.
        identity: the model's identity, as JSON.
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
        if problems:
            raise DesignError("The model's predictions do not fit the study.", problems)
        rows = [
            PredictionRecord(case_id=case.id, rank=rank, diagnosis=diagnosis, score=float(score))
            for case in cases
            for rank, (diagnosis, score) in enumerate(predictions[case.code], 1)
        ]
        session.add_all(rows)
        study.model_identity = dict(identity)
        _note(
            database,
            session,
            actor_id,
            "freeze_predictions",
            integrity.predictions_subject(study),
            digest=integrity.predictions_digest(study.model_identity, rows),
            identity=study.model_identity,
        )


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
        study.opened_at = database.clock()
        allocate_readers(database, session, study, actor_id)


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
        _step(database, session, study_name, "unblinded", "archived", actor_id)


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
    _note(database, session, actor_id, "change_state", f"study {study.name}", old=before, new=after)
    return study


def _note(
    database: Database, session: Session, actor_id: str, action: str, subject: str, **details: object
) -> None:
    audit.append(
        session, at=database.clock(), actor_id=actor_id, action=action, subject=subject, details=details
    )
