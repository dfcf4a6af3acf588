"""A study as the analysis sees it: plain rows, scored, free of the database they came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
