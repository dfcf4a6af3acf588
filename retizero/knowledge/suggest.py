"""Type-ahead: which entries does the beginning of a term announce?"""

from collections.abc import Iterable

from rapidfuzz import fuzz, process

from retizero.knowledge.entries import Disease
from retizero.knowledge.spelling import fold_words, is_chinese

_RARITY = {"common": 0, "uncommon": 1, "rare": 2}
_FUZZY_FROM = 4  # characters; below that a near match means nothing
_FUZZY_SCORE = 82.0  # of 100


class Suggester:
    """Ranks entries for a half-typed text: whole term, its beginning, beginnings of its words, near match."""

    def __init__(self, diseases: Iterable[Disease]) -> None:
        self._diseases = tuple(diseases)
        self._terms: list[tuple[str, tuple[str, ...], str, int, int]] = []
        for number, disease in enumerate(self._diseases):
            named = [(disease.name, 0), (disease.name_zh, 0)]
            named += [(term, 1) for term in (*disease.abbreviations, *disease.synonyms, *disease.synonyms_zh)]
            for term, rank in named:
                words = fold_words(term)
                self._terms.append((" ".join(words), words, "".join(words), number, rank))
        self._spaced = [term[0] for term in self._terms]

    def suggest(self, text: str, limit: int = 8) -> tuple[Disease, ...]:
        """The best entries for a text, at most ``limit``; common ones first among equals."""
        words = fold_words(text[:200])
        if not words or limit < 1:
            return ()
        best = self._by_beginning(words)
        if len(best) < limit and len("".join(words)) >= _FUZZY_FROM and not any(map(is_chinese, words)):
            near = process.extract(
                " ".join(words), self._spaced, scorer=fuzz.ratio, score_cutoff=_FUZZY_SCORE, limit=limit * 3
            )
            for _, score, position in near:
                best.setdefault(self._terms[position][3], (6.0, 100.0 - score, 0))
        order = sorted(best, key=lambda number: (best[number], self._diseases[number].name))
        return tuple(self._diseases[number] for number in order[:limit])

    def _by_beginning(self, words: tuple[str, ...]) -> dict[int, tuple[float, float, int]]:
        typed, joined = " ".join(words), "".join(words)
        chinese = any(map(is_chinese, words))
        best: dict[int, tuple[float, float, int]] = {}
        for spaced, term_words, compact, number, rank in self._terms:
            if compact == joined:
                place = 0.0
            elif spaced.startswith(typed) or compact.startswith(joined):
                place = 1.0 + rank
            elif (chinese and joined in compact) or all(
                any(word.startswith(part) for word in term_words) for part in words
            ):
                place = 3.0 + rank
            else:
                continue
            score = (place, float(_RARITY[self._diseases[number].rarity]), len(spaced))
            if number not in best or score < best[number]:
                best[number] = score
        return best
