"""Every record of a study as it was stored, for whoever wants to check the tables that are analysed."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from reader_study.adjudication import adjudicated
from reader_study.records import (
    AdjudicationRecord,
    ArmRecord,
    AssignmentRecord,
    CaseRecord,
    DisplayRecord,
    EnrolmentRecord,
    ReadingRecord,
    StudyRecord,
    TimingEventRecord,
    UserRecord,
)

HISTORY = (
    "reader_id",
    "case_id",
    "arm",
    "period",
    "number",
    "repeat",
    "practice",
    "revision",
    "reason",
    "confidence",
    "comment",
    "findings",
    "late",
    "first_shown_at",
    "submitted_at",
)
SHOWN = (
    "reader_id",
    "case_id",
    "period",
    "first_shown_at",
    "kind",
    "rank",
    "diagnosis",
    "value",
    "image_sha256",
)
ADJUDICATIONS = ("text", "adjudicator_id", "diagnosis", "comment", "at", "settled_as")
PROFILES = ("reader_id", "site", "country", "specialty", "years")
DICTIONARY = (
    ("history.csv", "number", "place in the reader's order of the period"),
    ("history.csv", "repeat, practice", "1 where the case was shown again, or is for practice"),
    ("history.csv", "revision, reason", "1 for the first answer; a correction has the next number and why"),
    ("history.csv", "findings", "tagged signs, ids of the catalogue's vocabulary parted by ;"),
    ("history.csv", "late", "1 where the answer came after the protocol's time limit"),
    ("history.csv", "first_shown_at, submitted_at", "by the server's clock, UTC"),
    ("history.csv", "rank1..rankK, text1..textK", "what each rank names, and as it was typed"),
    ("shown.csv", "kind, rank", "entry: a rank of the model's list; reference: a near reference case"),
    ("shown.csv", "value", "calibrated confidence of an entry, similarity of a reference"),
    ("shown.csv", "image_sha256", "of the evidence map, or of the reference's image, that was shown"),
    (
        "adjudications.csv",
        "text, adjudicator_id, diagnosis",
        "who said that a text means what",
    ),
    ("adjudications.csv", "settled_as", "what the text counts as: two who agree, or the third"),
    ("profiles.csv", "country, specialty", "as told by the reader; country is ISO 3166-1 alpha-2"),
)


Table = tuple[str, Sequence[str], list[Sequence[object]]]
"""Name of the file, its columns, its rows."""


def record_tables(session: Session, study: StudyRecord, *, simulated: bool) -> list[Table]:
    """The rows of history.csv, shown.csv, adjudications.csv and profiles.csv."""
    people = {
        user.id: user
        for user in session.scalars(
            select(UserRecord)
            .join(EnrolmentRecord, EnrolmentRecord.reader_id == UserRecord.id)
            .where(EnrolmentRecord.study_id == study.id)
            .order_by(EnrolmentRecord.ordinal)
        )
        if simulated or not user.simulated
    }
    ranks = range(1, study.k + 1)
    columns = (*HISTORY, *(f"{what}{rank}" for what in ("rank", "text") for rank in ranks))
    profiles = [(user.code, user.site, user.country, user.specialty, user.years) for user in people.values()]
    return [
        ("history.csv", columns, list(_history(session, study, people))),
        ("shown.csv", SHOWN, list(_shown(session, study, people))),
        ("adjudications.csv", ADJUDICATIONS, list(_adjudications(session, study))),
        ("profiles.csv", PROFILES, list(profiles)),
    ]


def _history(
    session: Session, study: StudyRecord, people: dict[str, UserRecord]
) -> Iterator[Sequence[object]]:
    first = (
        select(TimingEventRecord.assignment_id, func.min(TimingEventRecord.at).label("at"))
        .where(TimingEventRecord.kind == "shown")
        .group_by(TimingEventRecord.assignment_id)
        .subquery()
    )
    query = (
        select(ReadingRecord, CaseRecord, ArmRecord.name, AssignmentRecord.position, first.c.at)
        .join(AssignmentRecord, AssignmentRecord.id == ReadingRecord.assignment_id)
        .join(CaseRecord, CaseRecord.id == ReadingRecord.case_id)
        .join(ArmRecord, ArmRecord.id == AssignmentRecord.arm_id)
        .outerjoin(first, first.c.assignment_id == AssignmentRecord.id)
        .where(ReadingRecord.study_id == study.id)
        .order_by(ReadingRecord.id)
        .options(selectinload(ReadingRecord.entries))
    )
    for reading, case, arm, number, shown_at in session.execute(query):
        if reading.reader_id not in people:
            continue
        empty = [None] * (study.k - len(reading.entries))
        yield (
            people[reading.reader_id].code,
            case.code,
            arm,
            reading.period,
            number,
            reading.repeat,
            int(case.practice),
            reading.revision,
            reading.reason,
            reading.confidence,
            reading.comment,
            ";".join(reading.findings),
            int(reading.late),
            shown_at.isoformat() if shown_at is not None else None,
            reading.submitted_at.isoformat(),
            *[entry.diagnosis for entry in reading.entries],
            *empty,
            *[entry.text for entry in reading.entries],
            *empty,
        )


def _shown(session: Session, study: StudyRecord, people: dict[str, UserRecord]) -> Iterator[Sequence[object]]:
    query = (
        select(DisplayRecord, AssignmentRecord, CaseRecord.code)
        .join(AssignmentRecord, AssignmentRecord.id == DisplayRecord.assignment_id)
        .join(CaseRecord, CaseRecord.id == AssignmentRecord.case_id)
        .where(AssignmentRecord.study_id == study.id)
        .order_by(DisplayRecord.id)
    )
    for display, place, case in session.execute(query):
        if place.reader_id not in people:
            continue
        where = people[place.reader_id].code, case, place.period, display.shown_at.isoformat()
        maps: dict[int, Any] = dict(display.content["maps"])
        for rank, diagnosis, score in display.content["entries"]:
            yield (*where, "entry", rank, diagnosis, score, maps.get(rank))
        for rank, _, diagnosis, similarity, sha256 in display.content["references"]:
            yield (*where, "reference", rank, diagnosis, similarity, sha256)


def _adjudications(session: Session, study: StudyRecord) -> Iterator[Sequence[object]]:
    settled = adjudicated(session, study)
    query = (
        select(AdjudicationRecord, UserRecord.code)
        .join(UserRecord, UserRecord.id == AdjudicationRecord.adjudicator_id)
        .where(AdjudicationRecord.study_id == study.id)
        .order_by(AdjudicationRecord.id)
    )
    for row, code in session.execute(query):
        meaning = settled.get(row.text_key) if row.text_key in settled else "(open)"
        yield row.text_key, code, row.diagnosis, row.comment, row.at.isoformat(), meaning or "(no diagnosis)"
