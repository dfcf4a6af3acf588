"""Visible words of every page, English and Chinese (``words/*.yaml``), and the pick of a language."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal, cast

import yaml

Code = Literal["en", "zh"]
CODES: tuple[Code, ...] = ("en", "zh")
COOKIE = "retizero_language"


class Language:
    """Words of one language: ``words("demo.title")``; ``{name}`` parts are filled from keyword arguments."""

    def __init__(self, code: Code) -> None:
        self.code: Code = code
        self._words = {key: entry[code] for key, entry in table().items()}

    def __call__(self, key: str, **parts: object) -> str:
        """Return the words for a key.

        Raises:
            KeyError: the table has no such key.
        """
        words = self._words[key]
        return words.format(**parts) if parts else words

    def name_of(self, name: str, name_zh: str | None) -> str:
        """Return a diagnosis in this language: Chinese with English behind it, or English."""
        return f"{name_zh} ({name})" if self.code == "zh" and name_zh else name


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """Return the whole table: key -> {"en": words, "zh": words}."""
    rooms: dict[str, dict[str, Any]] = {}
    for file in resources.files("webapp").joinpath("words").iterdir():
        rooms |= cast(dict[str, dict[str, Any]], yaml.safe_load(file.read_text(encoding="utf-8")))
    return {f"{room}.{key}": entry for room, entries in rooms.items() for key, entry in entries.items()}


def preferred_language(cookie: str | None, accept_language: str | None) -> Code:
    """Pick the language of a request: the visitor's choice, else the browser's, else English."""
    if cookie in CODES:
        return cookie
    weighted = []
    for position, part in enumerate((accept_language or "").split(",")):
        tag, _, parameters = part.strip().partition(";")
        code = tag.split("-")[0].lower()
        if code in CODES:
            try:
                weight = float(parameters.partition("q=")[2] or 1.0)
            except ValueError:
                weight = 0.0
            weighted.append((-weight, position, code))
    return min(weighted)[2] if weighted else "en"
