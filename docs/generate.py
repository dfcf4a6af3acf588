"""``make docs``: write docs/commands.md and docs/settings.md from the program itself."""

import subprocess
import sys
from pathlib import Path

from webapp.settings import Settings

HERE = Path(__file__).parent
COMMANDS = [
    ("retizero", "classify"),
    ("retizero", "explain"),
    ("retizero", "evaluate", "zero-shot"),
    ("retizero", "evaluate", "classifier"),
    ("retizero", "evaluate", "retrieval"),
    ("retizero", "evaluate", "compare"),
    ("retizero", "evaluate", "explain"),
    ("retizero", "evaluate", "leakage"),
    ("retizero", "evaluate", "show"),
    ("retizero", "manifest"),
    ("retizero", "embed"),
    ("retizero", "index", "build"),
    ("retizero", "index", "add"),
    ("retizero", "index", "update"),
    ("retizero", "index", "remove"),
    ("retizero", "index", "compact"),
    ("retizero", "index", "info"),
    ("retizero", "index", "search"),
    ("retizero", "models"),
    ("retizero", "knowledge"),
    ("retizero", "train"),
    ("retizero", "train", "pretrain"),
    ("retizero", "train", "mae"),
    ("retizero", "train", "finetune"),
    ("retizero", "train", "probe"),
    ("retizero", "train", "table"),
    ("retizero", "train", "average"),
    ("retizero", "train", "pair"),
    ("retizero", "train", "move-groups"),
    ("retizero", "train", "gate"),
    ("retizero", "train", "familiarity"),
    ("retizero", "train", "gate-rates"),
    ("retizero", "phantom"),
    ("reader_study",),
    ("reader_study", "user"),
    ("reader_study", "study"),
    ("reader_study", "site"),
    ("reader_study", "simulate"),
    ("reader_study", "analyse"),
    ("reader_study", "mrmc"),
    ("reader_study", "delong"),
    ("reader_study", "power"),
]


def commands() -> str:
    """Return the help text of every command."""
    parts = ["# Commands\n\nWritten by `make docs` from the programs' own help.\n"]
    for module, *words in COMMANDS:
        run = [sys.executable, "-m", module, *words, "--help"]
        environment = {
            "COLUMNS": "100",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "PATH": "",
            "PYTHONPATH": str(HERE.parent),
        }
        shown = subprocess.run(
            run, capture_output=True, text=True, check=True, env=environment
        ).stdout.strip()
        lines = "\n".join(line.rstrip() for line in shown.splitlines())
        name = "retizero" if module == "retizero" else f"python -m {module}"
        parts.append(f"## `{' '.join([name, *words])}`\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


def settings() -> str:
    """Return the table of the server's settings."""
    rows = [
        f"| `--{name.replace('_', '-')}` | `RETIZERO_{name.upper()}` | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    head = "# Settings of `app.py`\n\nWritten by `make docs`. The command line wins over the environment.\n"
    return "\n".join([head, "| option | environment | meaning |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    (HERE / "commands.md").write_text(commands(), encoding="utf-8")
    (HERE / "settings.md").write_text(settings(), encoding="utf-8")
