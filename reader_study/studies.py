"""Where the rows of a study are found, and who may change them."""

from collections.abc import Hashable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from reader_study.errors import DesignError
from reader_study.records import PeriodRecord, StudyRecord

DESIGNERS = ("manager",)


def study_named(session: Session, name: str) -> StudyRecord:
    """The row of a study.

    Raises:
        DesignError: there is no study of that name.
    """
    study = session.scalar(select(StudyRecord).where(StudyRecord.name == name))
    if study is None:
        raise DesignError(f"There is no study named {name!r}.")
    return study


def periods_of(session: Session, study: StudyRecord, sequence: int) -> dict[int, int]:
    """The arm (by id) that a sequence meets in each period."""
    query = select(PeriodRecord).where(PeriodRecord.study_id == study.id, PeriodRecord.sequence == sequence)
    return {row.number: row.arm_id for row in session.scalars(query.order_by(PeriodRecord.number))}


def stratum(by: Sequence[str], rare: bool, site: str, truths: Sequence[str]) -> Hashable:
    """What a case is balanced for under the protocol's ``stratify_by``."""
    facts = {"rare": rare, "site": site, "disease": truths[0] if truths else ""}
    return tuple(facts[name] for name in by)
