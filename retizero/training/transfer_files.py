"""The three files of a table: ``results.csv``, ``results.json``, ``results.md``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retizero.data.atomic_write import atomic_write_text
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.transfer import merged, to_csv, to_markdown


def write_transfer(
    out: Path, rows: Sequence[Mapping[str, Any]], title: str, config: Mapping[str, Any]
) -> None:
    """Write a table into a folder, each file whole or not at all."""
    document = {"title": title, "config": config, "rows": list(rows)}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    atomic_write_text(out / "results.json", text + "\n")
    atomic_write_text(out / "results.csv", to_csv(rows))
    atomic_write_text(out / "results.md", to_markdown(rows, title))


def join_tables(files: Sequence[Path], out: Path, title: str) -> list[dict[str, Any]]:
    """Write one table of several ``results.json``.

    Raises:
        EvaluationError: A file cannot be read or is no such result.
    """
    documents = []
    for file in files:
        try:
            documents.append(json.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise EvaluationError(f"{file} cannot be read.") from error
        except ValueError as error:
            raise EvaluationError(f"{file} is not a JSON file.") from error
    rows = merged(documents)
    write_transfer(out, rows, title, {"files": [str(file) for file in files]})
    return rows
