"""Files that were made for one manager and wait for the download: in private folders, gone afterwards."""

import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reader_study.site_exchange import ReturnPackage, SentPackage

PIECE = 1024 * 1024  # bytes


@dataclass(frozen=True)
class WaitingFile:
    """A package that its maker, an account by id, has not taken yet."""

    key: str
    owner: str
    made: SentPackage | ReturnPackage


class WaitingFiles:
    """What waits, in the memory of this server and in a folder that only its user can read. Thread-safe.

    Args:
        folder: emptied here, at the start of the server: what waited before belongs to nobody any more.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, WaitingFile] = {}
        self._lock = threading.Lock()
        shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def private_folder(self) -> Iterator[Path]:
        """A folder for the work of one request; gone at its end, with everything in it that was not kept."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = self._folder / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            if folder.name not in self._waiting:
                shutil.rmtree(folder, ignore_errors=True)

    def keep(self, owner: str, made: SentPackage | ReturnPackage) -> None:
        """Let a package, in a folder of ``private_folder``, wait for its maker."""
        key = made.file.parent.name
        with self._lock:
            self._waiting[key] = WaitingFile(key, owner, made)

    def of(self, owner: str) -> tuple[WaitingFile, ...]:
        """What waits for somebody, the latest first."""
        with self._lock:
            return tuple(file for file in reversed(self._waiting.values()) if file.owner == owner)

    def open(self, key: str, owner: str) -> tuple[WaitingFile, BinaryIO] | None:
        """The file of a key, open for reading; ``None`` where it is gone or waits for somebody else."""
        with self._lock:
            found = self._waiting.get(key)
            return (found, found.made.file.open("rb")) if found is not None and found.owner == owner else None

    def pieces(self, file: WaitingFile, source: BinaryIO) -> Iterator[bytes]:
        """The bytes of a file, deleted when all were sent; after a broken download it still waits."""
        with source:
            while piece := source.read(PIECE):
                yield piece
        with self._lock:
            self._waiting.pop(file.key, None)
            shutil.rmtree(file.made.file.parent, ignore_errors=True)
