"""Files that visitors chose and have not added yet: whose they are, and their end.

Gradio writes an upload to a folder of its own, named by its content, so that two visitors with the same file
share it. What is missed here, such as an upload that arrives while its page is closing, ends with ``KEPT``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path

from gradio.data_classes import FileData, ListFiles
from gradio.utils import get_upload_folder

KEPT = (600, 3600)
"""How often, and from what age, Gradio deletes whatever was uploaded or shown, seconds."""


class Uploads:
    """Chosen files of each session; a file is deleted as soon as no session holds it. Thread-safe."""

    def __init__(self) -> None:
        self._held: dict[str, frozenset[Path]] = {}
        self._lock = threading.Lock()

    def hold(self, session: str, files: Iterable[str], spared: str | None = None) -> None:
        """Make these a session's files and delete those that it held before.

        Args:
            session: Whose.
            files: All that it has chosen now.
            spared: A file that the page still shows elsewhere; it stays the session's.
        """
        with self._lock:
            now = frozenset(_uploaded(files))
            before = self._held.get(session, frozenset())
            held = now | (before & frozenset(_uploaded([spared] if spared else [])))
            self._held[session] = held
            self._held = {whose: each for whose, each in self._held.items() if any(map(Path.exists, each))}
            for path in before.difference(*self._held.values()):
                _delete(path)

    def drop(self, session: str) -> None:
        """Delete what a session holds."""
        self.hold(session, ())


def paths_only(payload: ListFiles | FileData | None) -> list[str] | None:
    """Return the paths of uploads; Gradio's own way to them leaves an empty file behind for each."""
    if payload is None:
        return None
    return [file.path for file in (payload if isinstance(payload, ListFiles) else [payload])]


def _uploaded(files: Iterable[str]) -> list[Path]:
    """Only what lies in the folder that uploads go to, in one spelling."""
    folder = Path(get_upload_folder()).resolve()
    return [path for path in (Path(file).resolve() for file in files) if folder in path.parents]


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the folder that is named by the content, unless something is in it
        if path.parent != Path(get_upload_folder()).resolve():
            path.parent.rmdir()
