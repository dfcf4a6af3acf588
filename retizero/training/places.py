"""Where a run writes: looked at before hours of training, made beside it, moved there when it is whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from retizero.training.errors import ConfigError
from retizero.training.running.checkpoint import reason_of

LEARNING_CURVE = "learning_curve.json"


class ResultError(ValueError):
    """A result cannot be written; the message says what to do."""


@contextmanager
def result_at(out: Path) -> Iterator[None]:
    """Say in one sentence that what the block writes cannot be written.

    Raises:
        ResultError: For want of room or of rights.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise ResultError(
            f"{out} cannot be written ({reason_of(error)}). What was trained is in the checkpoint: make room "
            "and repeat the command with --resume."
        ) from error


@contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """Name a folder beside ``out`` for a model in the making: not there at first, gone afterwards."""
    work = out.with_name(f".{out.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def move_into_place(work: Path, out: Path) -> None:
    """Move a finished model folder's files over an older one, which stays whole until then."""
    for path in sorted(work.rglob("*")):
        if path.is_file():
            target = out / path.relative_to(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    shutil.rmtree(work)


def require_places(out: Path, checkpoints: Path | None = None, folder: bool = True) -> None:
    """Make sure that a run will be able to write.

    Args:
        out: Of the result; its folder is made when missing.
        checkpoints: Folder of the checkpoints, made when missing; None where none is written.
        folder: Whether ``out`` is a folder; a file otherwise.

    Raises:
        ConfigError: One of them cannot be written, or ``out`` is there as something else.
    """
    if not out.name or out.name == "..":
        raise ConfigError(f"out must name {'a folder' if folder else 'a file'} of its own, not {str(out)!r}.")
    if out.exists() and out.is_dir() is not folder:
        raise ConfigError(f"{out} is a {'file' if folder else 'folder'}; name another place for out.")
    _require_writable(out.parent)
    if out.is_dir():
        _require_writable(out)
    if checkpoints is not None:
        _require_writable(checkpoints)


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be written to: {error.strerror}.") from error
