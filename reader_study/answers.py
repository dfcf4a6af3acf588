"""What a reader may answer, checked before it is stored."""

import unicodedata
from dataclasses import dataclass

from reader_study.errors import ConductError
from reader_study.scoring import UNGRADABLE, name_or_id
from retizero.knowledge import Catalogue, LabelSet

LONGEST_TEXT = 200
LONGEST_COMMENT = 2000
INVISIBLE = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Marks that turn the direction of text (Unicode UAX 9): invisible, and able to make a page lie."""


@dataclass(frozen=True)
class Answer:
    """A ranked differential, best first, with confidence.

    Attributes:
        ranks: 1 to k entries, each a catalogue id, a name or synonym, or free text for adjudication.
        confidence: from 1 to the study's number of levels.
        comment: free remark, up to 2000 characters.
        findings: signs seen, as ids of the catalogue's vocabulary; only where the protocol asks for them.
    """

    ranks: tuple[str, ...]
    confidence: int
    comment: str = ""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One checked rank: the id it names (``None`` waits for adjudication) and the text as given."""

    diagnosis: str | None
    text: str


@dataclass(frozen=True)
class Checked:
    """An answer that may be stored."""

    entries: tuple[Entry, ...]
    confidence: int
    comment: str
    findings: tuple[str, ...] = ()


def check_answer(
    answer: object,
    *,
    k: int,
    confidence_levels: int,
    free_text: bool,
    catalogue: Catalogue,
    labels: LabelSet,
    findings: bool = False,
) -> Checked:
    """Check an answer against the protocol.

    Raises:
        ConductError: with one sentence about the first thing to change.
    """
    if not isinstance(answer, Answer) or not isinstance(answer.ranks, tuple | list):
        raise ConductError("The answer could not be read; load the page again.")
    if not 1 <= len(answer.ranks) <= k:
        raise ConductError(f"Give between 1 and {k} diagnoses, most likely first.")
    entries = tuple(_entry(text, catalogue, labels) for text in answer.ranks)
    named = [entry.diagnosis or entry.text.casefold() for entry in entries]
    for rank, name in enumerate(named, 1):
        if name in named[: rank - 1]:
            raise ConductError(f"Rank {rank} repeats an earlier rank; name each diagnosis once.")
    if UNGRADABLE in named and len(named) > 1:
        raise ConductError("An ungradable photograph has no differential; give that answer alone.")
    if not free_text and any(entry.diagnosis is None for entry in entries):
        raise ConductError("This study takes diagnoses from the list only; choose one of the list.")
    if type(answer.confidence) is not int or not 1 <= answer.confidence <= confidence_levels:
        raise ConductError(f"Confidence is a whole number from 1 to {confidence_levels}.")
    comment = clean(answer.comment, "The comment", LONGEST_COMMENT, lines=True)
    return Checked(entries, answer.confidence, comment, _findings(answer.findings, findings, catalogue))


def _findings(given: object, asked: bool, catalogue: Catalogue) -> tuple[str, ...]:
    """The tags in the order of the vocabulary, each once."""
    if not isinstance(given, tuple | list) or not all(isinstance(tag, str) for tag in given):
        raise ConductError("The findings could not be read; load the page again.")
    if given and not asked:
        raise ConductError("This study asks for no findings.")
    if any(tag not in catalogue.signs for tag in given):
        raise ConductError("A finding is not in the list; choose from the list.")
    return tuple(sign for sign in catalogue.signs if sign in given)


def _entry(text: object, catalogue: Catalogue, labels: LabelSet) -> Entry:
    plain = clean(text, "A diagnosis", LONGEST_TEXT)
    if not plain:
        raise ConductError("A rank is empty; give each rank a diagnosis or leave it out.")
    if plain in labels.ids:
        return Entry(plain, plain)
    if plain in labels.names:
        return Entry(labels.ids[labels.names.index(plain)], plain)
    return Entry(name_or_id(catalogue, plain), plain)


def clean(text: object, what: str, longest: int, *, lines: bool = False) -> str:
    """Normalise a text (NFC, no spaces around) and refuse what is too long or cannot be seen.

    Raises:
        ConductError: not a text, too long, or with control, surrogate or direction characters.
    """
    if not isinstance(text, str):
        raise ConductError(f"{what} must be text.")
    if len(text) > longest:
        raise ConductError(f"{what} has more than {longest} characters; shorten it.")
    plain = unicodedata.normalize("NFC", text).strip()
    allowed = "\n\r\t" if lines else ""
    for letter in plain:
        if letter in INVISIBLE or (unicodedata.category(letter) in ("Cc", "Cs") and letter not in allowed):
            raise ConductError(f"{what} holds an invisible control character; type it again.")
    return plain
