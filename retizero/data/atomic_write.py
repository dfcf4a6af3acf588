"""Write a file so that nobody ever sees half of it, whatever interrupts the writer."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write through a temporary file beside the target, flushed to disk, then renamed.

    Args:
        path: Target; its folder is made when missing.
        write: Called with the open temporary file.

    Raises:
        OSError: The folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def atomic_write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with ``atomic_write``."""
    atomic_write(path, lambda file: file.write(text.encode()))


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Name a file beside the target, for writers that need a path; renamed when the block ends well."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Permissions the process takes away from new files; mkstemp takes away more."""
    current = os.umask(0o022)
    os.umask(current)
    return current
