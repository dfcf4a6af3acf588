"""Checkpoints of a run: written atomically, refused by another run's settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says what to do."""


@contextmanager
def sole_run(path: Path, name: str = "id") -> Iterator[None]:
    """Keep a file to one run at a time; the end of the process, by whatever way, gives it free.

    Args:
        path: A checkpoint, or what else only one run may write.
        name: The setting by which the file is named.

    Raises:
        CheckpointError: Another run is writing it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CheckpointError(
            f"Another run is writing {path}; wait for it, or give this run another {name}."
        ) from error
    try:
        yield
    finally:
        lock.release()


def put_aside(path: Path) -> Path | None:
    """Rename the checkpoint of an earlier run, beside those put aside before, and return its new name."""
    if not path.exists():
        return None
    names = (path.with_suffix(f".old{n if n > 1 else ''}{path.suffix}") for n in count(1))
    aside = next(name for name in names if not name.exists())
    return path.rename(aside)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all: a process killed at any moment leaves the one before.

    Raises:
        CheckpointError: It cannot be written, for want of room or of rights.
    """
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch wraps what the disk says
        partial.unlink(missing_ok=True)
        kept = "the one before is whole" if path.exists() else "there was none before"
        raise CheckpointError(
            f"The checkpoint {path} cannot be written ({reason_of(error)}); {kept}. Make room and go on with "
            "--resume."
        ) from error


def reason_of(error: BaseException) -> str:
    """Return what the operating system says of a failed write, also where a library wrapped it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split()) or type(error).__name__


def load_checkpoint(path: Path, run: str) -> dict[str, Any]:
    """Read a checkpoint of the run with this fingerprint.

    Raises:
        CheckpointError: There is none, it cannot be read, or another run made it.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"There is no checkpoint {path} to resume from; start without --resume."
        ) from error
    except Exception as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read; start without --resume.") from error
    if not isinstance(state, dict) or state.get("run") != run:
        raise CheckpointError(
            f"The checkpoint {path} was made with other settings or photographs; start without --resume."
        )
    return state
