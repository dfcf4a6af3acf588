"""The three files of a table: ``results.csv``, ``results.json``, ``results.md``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from retizero.data.atomic_write import atomic_write_text
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.transfer import merged, to_csv, to_markdown
from retizero.training.places import require_places

RESULT_FILES = ("results.json", "results.csv", "results.md")


def write_transfer(
    out: Path, rows: Sequence[Mapping[str, Any]], title: str, config: Mapping[str, Any]
) -> None:
    """Write a table into a folder, each file whole or not at all."""
    document = {"title": title, "config": config, "rows": list(rows)}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    for name, content in zip(
        RESULT_FILES, (text + "\n", to_csv(rows), to_markdown(rows, title)), strict=True
    ):
        atomic_write_text(out / name, content)


def join_tables(files: Sequence[Path], out: Path, title: str) -> list[dict[str, Any]]:
    """Write one table of several ``results.json``.

    Raises:
        EvaluationError: A file cannot be read or is no such result.
        ConfigError: ``out`` cannot be written.
    """
    require_places(out)
    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            rows += merged([json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_number)])
        except OSError as error:
            raise EvaluationError(f"{file} cannot be read.") from error
        except EvaluationError as error:
            raise EvaluationError(f"{file} is no result of retizero train probe or finetune.") from error
        except (ValueError, RecursionError) as error:
            raise EvaluationError(f"{file} is not a JSON file.") from error
    write_transfer(out, rows, title, {"files": [str(file) for file in files]})
    return rows


def _no_number(text: str) -> NoReturn:
    """JSON knows neither NaN nor Infinity; results hold null."""
    raise ValueError(text)
