"""Where a run writes: looked at before hours of training, not after them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from retizero.training.checkpoint import reason_of
from retizero.training.config import ConfigError


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
