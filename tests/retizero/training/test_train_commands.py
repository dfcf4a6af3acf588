"""What ``retizero train`` refuses, and that its documentation lists every command."""

from pathlib import Path

import pytest
import typer

from docs.generate import COMMANDS
from retizero.cli import main
from retizero.training.cli import app

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("command", ["gate", "familiarity"])
def test_a_seed_below_zero_is_refused(command, capsys):
    assert main(["train", command, "--manifest", "m.csv", "--seed", "-1"]) == 2
    assert "--seed" in capsys.readouterr().err


def test_the_gates_reference_needs_a_file_name(tmp_path, capsys):
    assert main(["train", "gate", "--manifest", "m.csv", "--out", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["[]", "3", '{"rows": [1]}', '{"rows": [{"measures": {}}]}', '{"rows": NaN}']
)
def test_a_table_of_something_else_is_refused_with_the_files_name(tmp_path, capsys, text):
    (tmp_path / "r.json").write_text(text)
    assert main(["train", "table", str(tmp_path / "r.json"), "--out", str(tmp_path / "t")]) == 2
    assert "r.json is no" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_every_command_is_documented():
    commands = set(typer.main.get_command(app).commands)
    assert commands == {words[1] for module, *words in COMMANDS if words[:1] == ["train"] and words[1:]}
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert {name for name in commands if f"## `retizero train {name}`" not in text} == set()
