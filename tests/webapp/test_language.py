"""The language table and the rule that picks a language."""

import re
from pathlib import Path

import pytest

from retizero.knowledge import load_catalogue
from webapp.language import Language, preferred_language, table

WEBAPP = Path(__file__).resolve().parents[2] / "webapp"


def test_every_entry_has_words_in_both_languages():
    for key, entry in table().items():
        assert set(entry) == {"en", "zh"}, key
        assert all(isinstance(words, str) and words.strip() for words in entry.values()), key


def test_both_languages_fill_the_same_parts():
    for key, entry in table().items():
        parts = [sorted(re.findall(r"\{(\w+)\}", entry[code])) for code in ("en", "zh")]
        assert parts[0] == parts[1], key


def test_every_key_that_pages_ask_for_is_in_the_table():
    asked = set()
    for file in WEBAPP.rglob("*.py"):
        asked |= set(re.findall(r'words\(\s*"([a-z_]+\.\w+)"', file.read_text(encoding="utf-8")))
    assert len(asked) > 40
    assert asked <= set(table())


def test_the_desk_script_uses_only_words_that_exist():
    scripts = "".join((WEBAPP / "static" / name).read_text() for name in ("desk.js", "differential.js"))
    used = set(re.findall(r"\bwords\.(\w+)", scripts))
    assert used
    assert {f"read.{name}" for name in used} <= set(table())


@pytest.mark.parametrize(
    ("cookie", "accept", "expected"),
    [
        (None, None, "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "de,en;q=0.9,zh;q=0.2", "en"),
        (None, "fr-FR", "en"),
        (None, "zh;q=broken", "zh"),
        ("zh", "en", "zh"),
        ("en", "zh", "en"),
        ("klingon", "zh", "zh"),
    ],
)
def test_the_visitors_choice_wins_over_the_browsers(cookie, accept, expected):
    assert preferred_language(cookie, accept) == expected


def test_a_chinese_reader_sees_the_chinese_name_first():
    assert Language("zh").name_of("Drusen", "玻璃膜疣") == "玻璃膜疣 (Drusen)"
    assert Language("en").name_of("Drusen", "玻璃膜疣") == "Drusen"


def test_every_group_of_the_catalogue_has_words():
    groups = {key.removeprefix("group.") for key in table() if key.startswith("group.")}
    assert groups == set(load_catalogue().groups)
