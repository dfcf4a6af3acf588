"""The sentences in which something is refused, in the language of the page.

English stands where each sentence is raised; its Chinese stands in the tables beside this file.
"""

from functools import cache
from importlib import resources

from reader_study.documents.language import Chinese
from reader_study.errors import DesignError
from webapp.language import Language

TABLES = ("readers", "managers", "photographs")


def refusal(error: Exception | str, words: Language) -> str:
    """Return why something was refused; a sentence that has no Chinese yet is better than none."""
    return ("" if words.code == "zh" else " ").join(refusals(error, words))


def refusals(error: Exception | str, words: Language) -> tuple[str, ...]:
    """Return why something was refused, then each single problem where the error names several."""
    problems = error.problems if isinstance(error, DesignError) else ()
    first = str(error).removesuffix(" ".join(problems)).strip()
    say = _chinese() if words.code == "zh" else str
    return tuple(say(sentence) for sentence in (first, *problems))


@cache
def _chinese() -> Chinese:
    here = resources.files("webapp.refusals")
    return Chinese(*(here / f"{table}.zh.yaml" for table in TABLES))
