"""From the database to the table that is analysed: current readings, scored under the protocol's rule."""

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from reader_study.adjudication import adjudicated, resolve
from reader_study.analysis.table import AnalysedCase, AnalysedReader, ModelAnswer, Read, StudyTable
from reader_study.protocol import config_of
from reader_study.records import (
    ArmRecord,
    AssignmentRecord,
    CaseRecord,
    EnrolmentRecord,
    PeriodRecord,
    PredictionRecord,
    ReadingRecord,
    StudyRecord,
    TimingEventRecord,
    TokenRecord,
    UserRecord,
)
from reader_study.scoring import hit_rank
from reader_study.timing import TimedEvent, reading_seconds
from reader_study.vocabulary import matches_of


def study_table(session: Session, study: StudyRecord, *, with_simulated: bool = True) -> StudyTable:
    """Everything about a study that an analysis may use; practice cases are left out."""
    cases = session.scalars(
        select(CaseRecord)
        .where(CaseRecord.study_id == study.id, ~CaseRecord.practice)
        .order_by(CaseRecord.position)
        .options(selectinload(CaseRecord.reference))
    ).all()
    truths = {case.id: tuple(row.diagnosis for row in case.reference) for case in cases}
    codes = {case.id: case.code for case in cases}
    matches = matches_of(study)
    which = config_of(study)["truths"]
    meaning = adjudicated(session, study)

    users = _users(session, study, with_simulated=with_simulated)
    places, again = _places(session, study, codes)
    reads: list[Read] = []
    repeats: list[Read] = []
    events = _events(session, study)
    for reading in _current_readings(session, study):
        if reading.case_id not in codes or reading.reader_id not in users:
            continue
        named = [resolve(entry, meaning) for entry in reading.entries]
        arm, _ = places[reading.assignment_id]
        (repeats if reading.repeat else reads).append(
            Read(
                reader_id=users[reading.reader_id].reader_id,
                case_id=codes[reading.case_id],
                arm=arm,
                period=reading.period,
                ranks=tuple(name.diagnosis or name.text for name in named),
                hit=hit_rank([name.diagnosis for name in named], truths[reading.case_id], matches, which),
                unresolved=sum(not name.settled for name in named),
                confidence=reading.confidence,
                seconds=reading_seconds(events[reading.assignment_id]),
            )
        )
    expected: dict[str, int] = defaultdict(int)
    for place, (_, reader_id) in places.items():
        if reader_id in users and place not in again:
            expected[users[reader_id].reader_id] += 1
    model = []
    for case_id, ranked in _predictions(session, study).items():
        if case_id in codes:
            ids = tuple(row.diagnosis for row in ranked[: study.k])
            scores = tuple(row.score for row in ranked[: study.k])
            model.append(
                ModelAnswer(codes[case_id], ids, scores, hit_rank(ids, truths[case_id], matches, which))
            )
    return StudyTable(
        study=study_facts(study),
        k=study.k,
        cases=tuple(AnalysedCase(case.code, truths[case.id], case.rare) for case in cases),
        readers=tuple(users.values()),
        reads=tuple(reads),
        repeats=tuple(repeats),
        model=tuple(model),
        model_identity=study.model_identity,
        expected=dict(expected),
    )


def study_facts(study: StudyRecord) -> dict[str, object]:
    """What is printed beside every number of a study."""
    return {
        "name": study.name,
        "title": study.title,
        "state": study.state,
        "design": study.design,
        "protocol_version": study.protocol_version,
        "label_set": study.label_set,
        "label_set_version": study.label_set_version,
        "k": study.k,
        "confidence_levels": study.confidence_levels,
        "rule": config_of(study)["rule"],
        "truths": config_of(study)["truths"],
        "synthetic": study.synthetic,
        "live_results": config_of(study)["live_results"],
    }


def _users(session: Session, study: StudyRecord, *, with_simulated: bool) -> dict[str, AnalysedReader]:
    first = {
        row.sequence: name
        for row, name in session.execute(
            select(PeriodRecord, ArmRecord.name)
            .join(ArmRecord, ArmRecord.id == PeriodRecord.arm_id)
            .where(PeriodRecord.study_id == study.id, PeriodRecord.number == 1)
        )
    }
    query = (
        select(UserRecord, EnrolmentRecord.sequence)
        .join(EnrolmentRecord, EnrolmentRecord.reader_id == UserRecord.id)
        .where(EnrolmentRecord.study_id == study.id)
        .order_by(EnrolmentRecord.ordinal)
    )
    return {
        user.id: AnalysedReader(
            user.code, user.site, user.years, first[sequence], user.simulated, user.specialty
        )
        for user, sequence in session.execute(query)
        if with_simulated or not user.simulated
    }


def _places(
    session: Session, study: StudyRecord, codes: dict[int, str]
) -> tuple[dict[int, tuple[str, str]], frozenset[int]]:
    """The arm and the reader of every place that counts, and which of them show a case again."""
    query = (
        select(
            AssignmentRecord.id,
            ArmRecord.name,
            AssignmentRecord.reader_id,
            AssignmentRecord.case_id,
            AssignmentRecord.repeat,
        )
        .join(ArmRecord, ArmRecord.id == AssignmentRecord.arm_id)
        .where(AssignmentRecord.study_id == study.id)
    )
    found, again = {}, set()
    for place, arm, reader_id, case_id, repeat in session.execute(query):
        if case_id in codes:
            found[place] = (arm, reader_id)
            if repeat:
                again.add(place)
    return found, frozenset(again)


def _current_readings(session: Session, study: StudyRecord) -> list[ReadingRecord]:
    """The highest revision of each reading, in the order of submission."""
    query = (
        select(ReadingRecord)
        .where(ReadingRecord.study_id == study.id)
        .order_by(ReadingRecord.id)
        .options(selectinload(ReadingRecord.entries))
    )
    current: dict[int, ReadingRecord] = {}
    for reading in session.scalars(query):
        before = current.get(reading.assignment_id)
        if before is None or reading.revision > before.revision:
            current[reading.assignment_id] = reading
    return list(current.values())


def _events(session: Session, study: StudyRecord) -> dict[int, list[TimedEvent]]:
    """What happened until the first answer; the time of a correction is no reading time."""
    query = (
        select(TimingEventRecord)
        .join(AssignmentRecord, AssignmentRecord.id == TimingEventRecord.assignment_id)
        .join(TokenRecord, TokenRecord.token_hash == TimingEventRecord.token_hash)
        .where(AssignmentRecord.study_id == study.id, TokenRecord.purpose == "reading")
        .order_by(TimingEventRecord.id)
    )
    events: dict[int, list[TimedEvent]] = defaultdict(list)
    for row in session.scalars(query):
        events[row.assignment_id].append(TimedEvent(row.token_hash, row.kind, row.at))
    return events


def _predictions(session: Session, study: StudyRecord) -> dict[int, list[PredictionRecord]]:
    query = (
        select(PredictionRecord)
        .join(CaseRecord, CaseRecord.id == PredictionRecord.case_id)
        .where(CaseRecord.study_id == study.id)
        .order_by(CaseRecord.position, PredictionRecord.rank)
    )
    ranked: dict[int, list[PredictionRecord]] = defaultdict(list)
    for row in session.scalars(query):
        ranked[row.case_id].append(row)
    return ranked
