"""From what a person typed to one entry of the catalogue, or to an honest "none".

Order of attempts, the first that names exactly one entry wins: preferred name or id; synonym, Chinese
synonym or listed misspelling; abbreviation; another word order; brackets, laterality and
"disease"/"syndrome" set aside; abbreviations inside a phrase written out; last, misspelt words corrected.
Only words the catalogue does not know are corrected, and only a little, so a made-up disease does not
become a real one, and one real word is never changed into another.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Literal

from retizero.knowledge.correction import corrections
from retizero.knowledge.entries import Disease
from retizero.knowledge.spelling import bag, fold_words, is_chinese, key

Match = Literal["exact", "synonym", "fuzzy", "none"]

_BRACKETS = re.compile(r"[(\[（【]([^()\[\]（）【】]*)[)\]）】]")
_SETTING_ASIDE = frozenset(
    {"unspecified", "nos", "artifact", "type", "stage", "grade", "not", "otherwise", "specified", "unknown"}
)
_JOINED = re.compile(r"\s+(?:with|and|plus|or)\s+|[;,+/；，、]|合并|伴")
_LATERALITY = re.compile(
    r"(?<![A-Za-z])(?:O\.?[DSU]\.?|both eyes|(?:in )?(?:the )?(?:right|left) eye)(?![A-Za-z])|[左右双雙]眼",
    re.IGNORECASE,
)
_FAMILY_WORDS = frozenset({"disease", "syndrome"})
_FAMILY_ENDINGS = ("综合征", "病变", "病", "症", "征")
# Abbreviations that are everyday English words count only in capitals: "CAR" and "ON", never "car" and "on".
# fmt: off
_WORDS_TOO = frozenset({
    "AIM", "ALMS", "BARN", "CAMS", "CAR", "CAT", "COD", "CON", "CORD", "DON", "EON", "FAME", "HE", "ION",
    "LORD", "MA", "MAR", "ME", "ODD", "ON", "PAL", "PAN", "PORT", "RAM", "RAP", "SO", "SOD", "TON",
})
# fmt: on
_MAX_LENGTH = 200
_MAX_UNKNOWN_WORDS = 3


@dataclass(frozen=True)
class Resolution:
    """The answer to a lookup; ``id`` is None and ``match`` "none" when no single entry is meant.

    ``candidates`` holds the ids that share an ambiguous term (empty when the text is simply unknown).
    """

    query: str
    id: str | None
    name: str | None
    name_zh: str | None
    match: Match
    candidates: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The row of ``retizero knowledge resolve --json``."""
        return {**asdict(self), "candidates": list(self.candidates)}


class Resolver:
    """An index of every term of the catalogue; built once, then read only."""

    def __init__(self, diseases: Iterable[Disease]) -> None:
        self._diseases = {disease.id: disease for disease in diseases}
        self._names: dict[str, set[str]] = {}
        self._terms: dict[str, set[str]] = {}
        self._abbreviations: dict[str, set[str]] = {}
        self._bags: dict[str, set[str]] = {}
        self._families: dict[str, set[str]] = {}
        self._chinese: dict[int, list[tuple[str, str]]] = {}
        self._words: dict[str, set[str]] = {id: set() for id in self._diseases}
        vocabulary: set[str] = set()
        characters: set[str] = set()
        for disease in self._diseases.values():
            for term in (disease.name, disease.name_zh, disease.id):
                self._names.setdefault(key(term), set()).add(disease.id)
            for term in (*disease.synonyms, *disease.synonyms_zh, *disease.misspellings):
                self._terms.setdefault(key(term), set()).add(disease.id)
            for term in disease.abbreviations:
                self._abbreviations.setdefault(_abbreviation_key(term), set()).add(disease.id)
            for term in (disease.name, *disease.synonyms):
                words = fold_words(term)
                vocabulary.update(word for word in words if not is_chinese(word))
                self._words[disease.id].update(words)
                self._bags.setdefault(bag(words), set()).add(disease.id)
                self._families.setdefault(_family(words), set()).add(disease.id)
            for term in (disease.name_zh, *disease.synonyms_zh):
                folded = key(term)
                characters.update(folded)
                self._chinese.setdefault(len(folded), []).append((folded, disease.id))
                self._families.setdefault(_family(fold_words(term)), set()).add(disease.id)
        self._vocabulary = sorted(vocabulary)
        self._known_words = vocabulary
        self._known_characters = characters

    def resolve(self, text: str, within: Collection[str] | None = None) -> Resolution:
        """Find the entry that a text names.

        Args:
            text: what was typed, in English or Chinese, at most 200 characters are considered.
            within: ids that are possible here (a label set); decides between entries that share a term.
        """
        query = text
        text = text.strip()[:_MAX_LENGTH]
        words = fold_words(text)
        if not words:
            return Resolution(query, None, None, None, "none")
        ambiguous: set[str] = set()
        for match, found in self._attempts(text, words):
            chosen = self._choose(found, within)
            if chosen is not None:
                disease = self._diseases[chosen]
                return Resolution(query, chosen, disease.name, disease.name_zh, match)
            if found and not ambiguous:
                ambiguous = found
        candidates = ambiguous or self._named_together(text)
        return Resolution(query, None, None, None, "none", tuple(sorted(candidates, key=self._by_rarity)))

    def _attempts(self, text: str, words: tuple[str, ...]) -> Iterable[tuple[Match, set[str]]]:
        joined = "".join(words)
        yield "exact", self._names.get(joined, set())
        yield "synonym", self._terms.get(joined, set())
        yield "synonym", self._abbreviated(text)
        yield "synonym", self._bags.get(bag(words), set())
        for simpler in self._simpler(text):
            yield "synonym", self._known(simpler)
        yield "synonym", self._families.get(_family(words), set())
        spelt_out = self._spell_out(text)
        if spelt_out is not None:
            yield "synonym", self._known(spelt_out)
        yield "fuzzy", self._corrected(words)
        yield "fuzzy", self._corrected_chinese(joined)

    def _choose(self, found: set[str], within: Collection[str] | None) -> str | None:
        if within is not None and len(found) > 1:
            inside = found.intersection(within)
            found = inside if len(inside) == 1 else found
        return next(iter(found)) if len(found) == 1 else None

    def _by_rarity(self, id: str) -> tuple[int, str]:
        return ("common", "uncommon", "rare").index(self._diseases[id].rarity), id

    def _abbreviated(self, text: str) -> set[str]:
        """Ids that share an abbreviation."""
        folded = _abbreviation_key(text)
        if folded in _WORDS_TOO and text.strip() != text.strip().upper():
            return set()
        return self._abbreviations.get(folded, set())

    def _known(self, text: str) -> set[str]:
        """Ids of a text by name, synonym, abbreviation or word order, whichever knows it first."""
        words = fold_words(text)
        if not words:
            return set()
        joined = "".join(words)
        return (
            self._names.get(joined)
            or self._terms.get(joined)
            or self._abbreviated(text)
            or self._bags.get(bag(words))
            or self._families.get(_family(words))
            or set()
        )

    def _named_together(self, text: str) -> set[str]:
        """Ids of several diagnoses in one text ("CRVO with drusen"), empty unless all are known."""
        parts = [part for part in _JOINED.split(text) if part.strip()]
        found = [self._known(part) for part in parts]
        return set().union(*found) if len(parts) > 1 and all(len(one) == 1 for one in found) else set()

    def _simpler(self, text: str) -> Iterable[str]:
        """The text without laterality, and without brackets where these only repeat or say "unspecified"."""
        without_side = _LATERALITY.sub(" ", text).strip(" ,;，、")
        if without_side != text:
            yield without_side
        inside = _BRACKETS.findall(without_side)
        if not inside:
            return
        outside = _BRACKETS.sub(" ", without_side)
        outer = self._known(outside)
        for part in inside:
            words = fold_words(part)
            repeats = outer and (
                self._known(part) & outer or all(self._words[id].issuperset(words) for id in outer)
            )
            if not repeats and not _SETTING_ASIDE.issuperset(words):
                return
        yield outside

    def _spell_out(self, text: str) -> str | None:
        """The text with unambiguous abbreviations written out ("dry AMD"), None when there is none."""
        parts = re.split(r"([\s,/]+)", text)
        if len(parts) == 1:
            return None
        changed = False
        for position, part in enumerate(parts):
            found = self._abbreviated(part) if len(part) > 1 else set()
            if len(found) == 1 and fold_words(part)[0] not in self._known_words:
                parts[position] = self._diseases[next(iter(found))].name
                changed = True
        return "".join(parts) if changed else None

    def _corrected(self, words: tuple[str, ...]) -> set[str]:
        """Ids that the words name once the unknown ones among them are corrected with the fewest edits."""
        unknown = [position for position, word in enumerate(words) if word not in self._known_words]
        if not unknown or len(unknown) > _MAX_UNKNOWN_WORDS or any(is_chinese(word) for word in words):
            return set()
        choices: list[list[tuple[str, int]]] = []
        for position in unknown:
            near = corrections(words[position], self._vocabulary)
            if not near:
                return set()
            choices.append(near)
        best: dict[int, set[str]] = {}
        for combination in product(*choices):
            edits = sum(cost for _, cost in combination)
            attempt = list(words)
            for position, (word, _) in zip(unknown, combination, strict=True):
                attempt[position] = word
            joined = "".join(attempt)
            found = (
                self._names.get(joined)
                or self._terms.get(joined)
                or self._bags.get(bag(tuple(attempt)))
                or set()
            )
            if not found:
                found = self._families.get(_family(tuple(attempt)), set())
            if found:
                best.setdefault(edits, set()).update(found)
        return best[min(best)] if best else set()

    def _corrected_chinese(self, joined: str) -> set[str]:
        """Ids of Chinese terms of six or more signs that differ in one character which no term contains."""
        if joined.isascii() or len(joined) < 6:
            return set()
        strangers = [position for position, sign in enumerate(joined) if sign not in self._known_characters]
        if len(strangers) != 1:
            return set()
        at = strangers[0]
        found = {
            id
            for term, id in self._chinese.get(len(joined), [])
            if term[:at] == joined[:at] and term[at + 1 :] == joined[at + 1 :]
        }
        without = joined[:at] + joined[at + 1 :]
        found |= {id for term, id in self._chinese.get(len(without), []) if term == without}
        return found


def _abbreviation_key(text: str) -> str:
    """Abbreviations are compared whole, without signs and case: "C.R.V.O." and "crvo" are CRVO."""
    return re.sub(r"[\s.\-‐–/]", "", unicodedata.normalize("NFKC", text)).upper()


def _family(words: tuple[str, ...]) -> str:
    """A term without a closing "disease" or "syndrome" (病, 综合征), so that "Coats" is understood."""
    if not words:
        return ""
    if words[-1] in _FAMILY_WORDS and len(words) > 1:
        words = words[:-1]
    last = words[-1]
    if is_chinese(last):
        for ending in _FAMILY_ENDINGS:
            if last.endswith(ending):
                last = last.removesuffix(ending)
                break
        words = (*words[:-1], last) if last else words[:-1]
    return "".join(words)
