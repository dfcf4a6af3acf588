"""The words of a report in English or Chinese. English is written in the code; Chinese stands in one table.

A label that the table lacks stays English: a report with an English word is better than one with a gap.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

import yaml

Code = Literal["en", "zh"]
Say = Callable[[str], str]


def say_in(code: Code) -> Say:
    """Return what puts an English label or sentence into the language.

    >>> say_in("zh")("aided")
    'AI 辅助'
    >>> say_in("en")("aided")
    'aided'
    """
    return _chinese() if code == "zh" else str


class Chinese:
    """Chinese for English labels and sentences; ``Chinese(file)("aided")``. What a table lacks stays English.

    Args:
        files: YAML with ``words``, label to label, and ``sentences``, patterns with ``{0}``, ``{1}`` for
            their parts, which are put into Chinese themselves. The first pattern that fits is taken.
    """

    def __init__(self, *files: Traversable) -> None:
        found = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
        self._words = {str(key): str(value) for each in found for key, value in each["words"].items()}
        sentences = (sentence for each in found for sentence in each["sentences"])
        self._patterns = [(re.compile(each["en"]), str(each["zh"])) for each in sentences]

    def __call__(self, text: str) -> str:
        """Return the Chinese of a text."""
        if text in self._words:
            return self._words[text]
        for pattern, chinese in self._patterns:
            if match := pattern.fullmatch(text):
                return chinese.format(*(self(part or "") for part in match.groups()))
        return text


@cache
def _chinese() -> Chinese:
    return Chinese(resources.files("reader_study.documents").joinpath("chinese.yaml"))
