"""A study as the analysis sees it: plain rows, scored, free of the database they came from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from reader_study.analysis.columns import Columns, columns_of


@dataclass(frozen=True)
class AnalysedCase:
    """A case that counts (practice cases never do); ``truths`` with the primary diagnosis first."""

    case_id: str
    truths: tuple[str, ...]
    rare: bool


@dataclass(frozen=True)
class AnalysedReader:
    """A reader under their pseudonym; ``arm_first`` is the arm of the first period."""

    reader_id: str
    site: str
    years: int | None
    arm_first: str
    simulated: bool = False
    specialty: str = ""


@dataclass(frozen=True)
class Read:
    """One current reading, scored.

    Attributes:
        ranks: the ids or texts given, best first.
        hit: rank at which it is right, 0 for never.
        unresolved: ranks of free text that wait for adjudication.
        confidence: on the study's scale, ``None`` where not asked for.
        seconds: time in front of the reader, ``None`` where not known.
    """

    reader_id: str
    case_id: str
    arm: str
    period: int
    ranks: tuple[str, ...]
    hit: int
    unresolved: int = 0
    confidence: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class ModelAnswer:
    """The model's frozen ranked answer to a case, scored like a reading."""

    case_id: str
    ranks: tuple[str, ...]
    scores: tuple[float, ...]
    hit: int


@dataclass(frozen=True)
class StudyTable:
    """Everything an analysis may use.

    Attributes:
        study: protocol facts to print with every number (name, state, rule, label set, ...).
        k: most ranks an answer may have.
        expected: how many readings the design asks for, by reader; second showings are not counted.
        model_identity: identity of the model whose answers these are.
        repeats: readings of cases that were shown again, for agreement within readers; never among ``reads``.
    """

    study: Mapping[str, Any]
    k: int
    cases: tuple[AnalysedCase, ...]
    readers: tuple[AnalysedReader, ...]
    reads: tuple[Read, ...]
    model: tuple[ModelAnswer, ...]
    model_identity: Mapping[str, Any] | None
    expected: Mapping[str, int]
    repeats: tuple[Read, ...] = ()

    @cached_property
    def columns(self) -> Columns:
        """The readings of the real readers as arrays; simulated readers never enter a comparison."""
        real = [reader.reader_id for reader in self.readers if not reader.simulated]
        return columns_of(real, [case.case_id for case in self.cases], self.reads)

    @cached_property
    def columns_with_repeats(self) -> Columns:
        """The same with repeated readings behind the first ones, for agreement of readers with themselves."""
        if not self.repeats:
            return self.columns
        return columns_of(self.columns.readers, self.columns.cases, (*self.reads, *self.repeats))

    @cached_property
    def model_hits(self) -> Mapping[str, int]:
        """The rank at which the model is right (0 for never), by case."""
        return {answer.case_id: answer.hit for answer in self.model}

    def subset(
        self, readers: Collection[str] | None = None, cases: Collection[str] | None = None
    ) -> "StudyTable":
        """The same study with some of its readers or cases; counts of what the design asks for go along."""
        kept_readers = {reader.reader_id for reader in self.readers} if readers is None else set(readers)
        kept_cases = {case.case_id for case in self.cases} if cases is None else set(cases)
        share = len(kept_cases) / max(1, len(self.cases))
        return replace(
            self,
            cases=tuple(case for case in self.cases if case.case_id in kept_cases),
            readers=tuple(reader for reader in self.readers if reader.reader_id in kept_readers),
            reads=tuple(
                read for read in self.reads if read.reader_id in kept_readers and read.case_id in kept_cases
            ),
            repeats=tuple(
                read for read in self.repeats if read.reader_id in kept_readers and read.case_id in kept_cases
            ),
            model=tuple(answer for answer in self.model if answer.case_id in kept_cases),
            expected={
                reader: round(number * share)
                for reader, number in self.expected.items()
                if reader in kept_readers
            },
        )
