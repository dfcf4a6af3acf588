"""The sentences in which the study refuses something, in the language of the page."""

from functools import cache
from importlib import resources

from reader_study.documents.language import Chinese
from reader_study.errors import StudyError
from webapp.language import Language


def refusal(error: StudyError | str, words: Language) -> str:
    """Return why something was refused; a sentence that has no Chinese yet is better than none."""
    return _chinese()(str(error)) if words.code == "zh" else str(error)


@cache
def _chinese() -> Chinese:
    return Chinese(resources.files("webapp").joinpath("refusals.zh.yaml"))
