"""The words of a report in English or Chinese. English is written in the code; Chinese stands in one table.

A label that the table lacks stays English: a report with an English word is better than one with a gap.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import resources
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
    return _chinese if code == "zh" else str


@cache
def _table() -> tuple[dict[str, str], tuple[tuple[re.Pattern[str], str], ...]]:
    text = resources.files("reader_study.documents").joinpath("chinese.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    patterns = tuple((re.compile(each["en"]), str(each["zh"])) for each in found["sentences"])
    return {str(key): str(value) for key, value in found["words"].items()}, patterns


def _chinese(text: str) -> str:
    words, patterns = _table()
    if text in words:
        return words[text]
    for pattern, chinese in patterns:
        if match := pattern.fullmatch(text):
            return chinese.format(*(_chinese(part or "") for part in match.groups()))
    return text
