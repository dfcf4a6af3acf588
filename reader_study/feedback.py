"""What a reader is told after a practice case: the reference standard, and where it stood in the answer."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from reader_study.protocol import config_of
from reader_study.records import CaseRecord, ReadingRecord, StudyRecord
from reader_study.scoring import hit_rank
from reader_study.vocabulary import matches_of


@dataclass(frozen=True)
class Feedback:
    """The reference standard (ids, the primary first); ``rank`` at which it was named, 0 where it was not."""

    truths: tuple[str, ...]
    rank: int

    @property
    def correct(self) -> bool:
        """Whether it was the first diagnosis."""
        return self.rank == 1


def feedback_on(session: Session, study: StudyRecord, reading: ReadingRecord) -> Feedback | None:
    """The feedback on an answer; ``None`` for every case that counts, and before the last step of a case."""
    case = session.get_one(CaseRecord, reading.case_id)
    if not case.practice or (study.design == "sequential" and reading.period == 1):
        return None
    truths = tuple(row.diagnosis for row in case.reference)
    ranks = [entry.diagnosis for entry in reading.entries]
    return Feedback(truths, hit_rank(ranks, truths, matches_of(study), config_of(study)["truths"]))
