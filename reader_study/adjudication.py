"""What free text means: two adjudicators say it independently, a third decides where they differ.

They are shown a text and nothing else: no reader, case, arm, reference standard, nor the other's decision.
One decision holds for every reading of the study that has the same text.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study import audit, integrity
from reader_study.accounts import normal_name
from reader_study.answers import clean
from reader_study.audit import SYSTEM
from reader_study.database import Database
from reader_study.errors import DesignError, NotAllowed, StudyError
from reader_study.records import (
    AdjudicationRecord,
    AdjudicatorRecord,
    CaseRecord,
    EnrolmentRecord,
    RankedEntryRecord,
    ReadingRecord,
    StudyRecord,
    UserRecord,
)
from reader_study.roles import require_role
from reader_study.scoring import name_or_id
from reader_study.studies import DESIGNERS, study_named
from reader_study.vocabulary import labels_of
from retizero.knowledge import load_catalogue

FREE_TEXT = "free_text"


@dataclass(frozen=True)
class PendingText:
    """A text to adjudicate; ``key`` names it, ``left`` counts those still before this adjudicator."""

    study: str
    key: str
    text: str
    left: int


@dataclass(frozen=True)
class AdjudicationStatus:
    """How far the free text of a study is adjudicated, in distinct texts."""

    texts: int
    resolved: int
    waiting_first: int
    waiting_second: int
    waiting_third: int


@dataclass(frozen=True)
class Meaning:
    """What one entry of a differential means: an id, or none; ``settled`` unless it waits."""

    text: str
    diagnosis: str | None
    settled: bool


def text_key(text: str) -> str:
    """One spelling for texts that differ only in case and spaces."""
    return " ".join(text.split()).casefold()


def assign_adjudicator(
    database: Database, study_name: str, username: str, *, task: str = FREE_TEXT, actor_id: str = SYSTEM
) -> None:
    """Let somebody who does not read in the study adjudicate its free text (or vote in its panel).

    Raises:
        DesignError: there is no such account, or it reads in the study.
        NotAllowed: the actor is neither manager nor administrator.
    """
    with database.transaction() as session:
        require_role(session, actor_id, DESIGNERS)
        study = study_named(session, study_name)
        query = select(UserRecord).where(UserRecord.username == normal_name(username))
        user = session.scalar(query)
        if user is None or not user.active:
            raise DesignError(f"There is no active user named {normal_name(username)!r}.")
        if session.get(EnrolmentRecord, (study.id, user.id)) is not None:
            raise DesignError(f"{user.username} reads in study {study.name} and cannot judge its answers.")
        if session.get(AdjudicatorRecord, (study.id, user.id, task)) is not None:
            return
        session.add(
            AdjudicatorRecord(study_id=study.id, user_id=user.id, task=task, assigned_at=database.clock())
        )
        audit.append(
            session,
            at=database.clock(),
            actor_id=actor_id,
            action="assign_adjudicator",
            subject=f"study {study.name}",
            details={"user": user.code, "task": task},
        )


def adjudicators(
    database: Database, study_name: str, *, task: str = FREE_TEXT, actor_id: str = SYSTEM
) -> tuple[str, ...]:
    """The user names of those who judge in a study."""
    with database.session() as session:
        require_role(session, actor_id, DESIGNERS)
        study = study_named(session, study_name)
        query = (
            select(UserRecord.username)
            .join(AdjudicatorRecord, AdjudicatorRecord.user_id == UserRecord.id)
            .where(AdjudicatorRecord.study_id == study.id, AdjudicatorRecord.task == task)
            .order_by(AdjudicatorRecord.assigned_at)
        )
        return tuple(session.scalars(query))


def judging(database: Database, user_id: str, *, task: str = FREE_TEXT) -> tuple[str, ...]:
    """The studies in which somebody judges, by name."""
    with database.session() as session:
        query = (
            select(StudyRecord.name)
            .join(AdjudicatorRecord, AdjudicatorRecord.study_id == StudyRecord.id)
            .where(AdjudicatorRecord.user_id == user_id, AdjudicatorRecord.task == task)
            .order_by(StudyRecord.name)
        )
        return tuple(session.scalars(query))


def next_text(database: Database, adjudicator_id: str, study_name: str) -> PendingText | None:
    """The next text that needs this adjudicator's word; ``None`` where none does.

    Raises:
        NotAllowed: the account does not adjudicate in this study.
    """
    with database.session() as session:
        study = study_named(session, study_name)
        require_judge(session, study, adjudicator_id, FREE_TEXT)
        waiting = _waiting_for(session, study, adjudicator_id)
        if not waiting:
            return None
        key, text = next(iter(waiting.items()))
        return PendingText(study.name, key, text, len(waiting))


def decide(
    database: Database,
    adjudicator_id: str,
    study_name: str,
    key: str,
    diagnosis: str | None,
    comment: str = "",
) -> None:
    """Store what a text means, once and for good: a catalogue id (or name), or ``None`` for no diagnosis.

    Raises:
        NotAllowed: the account does not adjudicate in this study.
        StudyError: the text does not wait for this account, the study is unblinded, or the name is unknown.
    """
    remark = clean(comment, "The comment", 2000, lines=True)
    with database.transaction() as session:
        study = study_named(session, study_name)
        require_judge(session, study, adjudicator_id, FREE_TEXT)
        if study.state not in ("open", "locked"):
            raise StudyError(f"The study is {study.state}; free text is adjudicated before the unblinding.")
        if key not in _waiting_for(session, study, adjudicator_id):
            raise StudyError("This text does not wait for your decision (any more).")
        row = AdjudicationRecord(
            study_id=study.id,
            text_key=key,
            adjudicator_id=adjudicator_id,
            diagnosis=None if diagnosis is None else label_of(study, diagnosis),
            comment=remark,
            at=database.clock(),
        )
        session.add(row)
        session.flush()
        audit.append(
            session,
            at=row.at,
            actor_id=adjudicator_id,
            action="adjudicate",
            subject=integrity.row_subject(row),
            details={"digest": integrity.row_digest(row), "study": study.name},
        )


def label_of(study: StudyRecord, name: str) -> str:
    """The id of a diagnosis named by somebody who judges.

    Raises:
        StudyError: neither the study's labels nor the catalogue know it.
    """
    labels = labels_of(study)
    if name in labels.ids:
        return name
    if name in labels.names:
        return labels.ids[labels.names.index(name)]
    found = name_or_id(load_catalogue(), name)
    if found is None:
        raise StudyError(f"{name[:60]!r} is not in the catalogue; choose from the list.")
    return found


def adjudication_status(database: Database, study_name: str, *, actor_id: str = SYSTEM) -> AdjudicationStatus:
    """How much of the free text is adjudicated, for those who run the study."""
    with database.session() as session:
        require_role(session, actor_id, ("manager", "statistician"))
        study = study_named(session, study_name)
        decisions = _decisions(session, study)
        texts = _texts(session, study)
        settled = _settled(decisions)
        open_texts = [len(decisions.get(key, ())) for key in texts if key not in settled]
        return AdjudicationStatus(
            texts=len(texts),
            resolved=sum(key in settled for key in texts),
            waiting_first=open_texts.count(0),
            waiting_second=open_texts.count(1),
            waiting_third=open_texts.count(2),
        )


def adjudicated(session: Session, study: StudyRecord) -> dict[str, str | None]:
    """What each settled text of a study means, by its key."""
    return _settled(_decisions(session, study))


def resolve(entry: RankedEntryRecord, meaning: Mapping[str, str | None]) -> Meaning:
    """What an entry means, by the catalogue when it was given, or by adjudication since."""
    if entry.diagnosis is not None:
        return Meaning(entry.text, entry.diagnosis, True)
    key = text_key(entry.text)
    return Meaning(entry.text, meaning.get(key), key in meaning)


def require_judge(session: Session, study: StudyRecord, user_id: str, task: str) -> UserRecord:
    """The row of an active account that judges in a study.

    Raises:
        NotAllowed: it does not, or is not active.
    """
    user = session.get(UserRecord, user_id)
    if user is None or not user.active:
        raise NotAllowed("This account is not active.")
    if session.get(AdjudicatorRecord, (study.id, user_id, task)) is None:
        raise NotAllowed("This account does not judge in this study.")
    return user


def _texts(session: Session, study: StudyRecord) -> dict[str, str]:
    """Every free text of the readings that count, by key, in the order in which they came."""
    query = (
        select(RankedEntryRecord.text)
        .join(ReadingRecord, ReadingRecord.id == RankedEntryRecord.reading_id)
        .join(CaseRecord, CaseRecord.id == ReadingRecord.case_id)
        .where(
            ReadingRecord.study_id == study.id, RankedEntryRecord.diagnosis.is_(None), ~CaseRecord.practice
        )
        .order_by(RankedEntryRecord.reading_id, RankedEntryRecord.rank)
    )
    texts: dict[str, str] = {}
    for text in session.scalars(query):
        texts.setdefault(text_key(text), text)
    return texts


def _decisions(session: Session, study: StudyRecord) -> dict[str, list[AdjudicationRecord]]:
    query = select(AdjudicationRecord).where(AdjudicationRecord.study_id == study.id)
    decisions: dict[str, list[AdjudicationRecord]] = defaultdict(list)
    for row in session.scalars(query.order_by(AdjudicationRecord.id)):
        decisions[row.text_key].append(row)
    return decisions


def _settled(decisions: Mapping[str, list[AdjudicationRecord]]) -> dict[str, str | None]:
    """Two who agree settle a text; where they differ, the third does."""
    settled = {}
    for key, rows in decisions.items():
        if len(rows) >= 3:
            settled[key] = rows[2].diagnosis
        elif len(rows) == 2 and rows[0].diagnosis == rows[1].diagnosis:
            settled[key] = rows[0].diagnosis
    return settled


def _waiting_for(session: Session, study: StudyRecord, adjudicator_id: str) -> dict[str, str]:
    decisions = _decisions(session, study)
    settled = _settled(decisions)
    return {
        key: text
        for key, text in _texts(session, study).items()
        if key not in settled and all(row.adjudicator_id != adjudicator_id for row in decisions.get(key, ()))
    }
