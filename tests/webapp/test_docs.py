"""The documentation lists what the program has."""

from pathlib import Path

from docs.generate import settings
from webapp.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_settings_page_is_what_the_program_says():
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert text == settings(), "run make docs"
    assert all(f"RETIZERO_{name.upper()}" in text for name in Settings.model_fields)


def test_every_command_of_the_contract_is_documented():
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    for command in (
        "retizero classify",
        "retizero evaluate zero-shot",
        "retizero index search",
        "-m reader_study",
    ):
        assert f"## `{command}" in text or f"## `python {command}" in text, command
