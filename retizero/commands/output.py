"""Answers go to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from retizero.data.atomic_write import atomic_write_text


@contextlib.contextmanager
def only_answers_on_stdout() -> Iterator[None]:
    """Send what libraries print inside the block to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def to_json(document: Any) -> str:  # noqa: ANN401 - anything JSON can hold
    """Return indented JSON; NaN is refused because other programs cannot read it."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def print_json(document: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Print one JSON document."""
    sys.stdout.write(to_json(document) + "\n")


def print_rows(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table with columns as wide as their longest cell."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def note(sentence: str) -> None:
    """Print a sentence on stderr."""
    sys.stderr.write(sentence + "\n")


def note_problems(problems: Sequence[str], shown: int = 10) -> None:
    """Print the first of a list of sentences on stderr, and how many more there are."""
    for problem in problems[:shown]:
        note(problem)
    if len(problems) > shown:
        note(f"... and {len(problems) - shown} more rows with problems.")


def write_report(report: dict[str, Any], out: Path) -> None:
    """Write a report as JSON, whole or not at all."""
    atomic_write_text(out, to_json(report) + "\n")
