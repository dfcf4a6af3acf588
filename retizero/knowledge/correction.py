"""Misspelt words: which known words can be meant, and which must not be guessed.

A word is corrected by few edits only, keeps its first letter, and never trades one medical affix for another:
"retinosis" is not "retinitis", "hypotensive" is not "hypertensive".
"""

from collections.abc import Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

_SUFFIXES = (
    "itis",
    "osis",
    "oma",
    "pathy",
    "emia",
    "plasia",
    "trophy",
    "lysis",
    "ectomy",
    "graphy",
    "scopy",
    "ia",
)
_PREFIXES = (
    "hyper",
    "hypo",
    "intra",
    "inter",
    "endo",
    "micro",
    "macro",
    "anti",
    "ante",
    "pre",
    "peri",
    "para",
)


def corrections(word: str, vocabulary: Sequence[str]) -> list[tuple[str, int]]:
    """Known words a misspelt word may stand for, with the edits needed.

    No edit below 4 letters, 1 up to 8 letters, 2 from 9; a swap of neighbours is one edit.
    """
    allowed = 0 if len(word) < 4 else 1 if len(word) < 9 else 2
    if not allowed or not word.isalpha():
        return []
    near = process.extract(word, vocabulary, scorer=OSA.distance, score_cutoff=allowed, limit=6)
    return [
        (known, int(edits))
        for known, edits, _ in near
        if len(known) > 3 and known[0] == word[0] and not _other_affix(word, known)
    ]


def _other_affix(word: str, known: str) -> bool:
    """Whether both words carry a medical affix at one end, and not the same."""
    for affixes, has in ((_SUFFIXES, str.endswith), (_PREFIXES, str.startswith)):
        first, second = (
            next((affix for affix in affixes if has(text, affix)), None) for text in (word, known)
        )
        if first is not None and second is not None and first != second:
            return True
    return False
