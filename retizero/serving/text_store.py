"""Embeddings of prompts on disk, so that a model reads the catalogue once and not at every start."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_TABLE = (
    "CREATE TABLE IF NOT EXISTS embeddings "
    "(model TEXT, prompt TEXT, vector BLOB, PRIMARY KEY (model, prompt)) WITHOUT ROWID"
)
_PATIENCE = 2.0  # seconds to wait for another process that writes


class TextStore:
    """One SQLite file for any number of models; several processes may share it.

    A cache never keeps an answer from being given: a file that cannot be used is as good as an empty one.

    Args:
        path: Made when missing.
        model: Key of everything that decides a prompt's embedding.
        dimension: Length of an embedding.
    """

    def __init__(self, path: Path, model: str, dimension: int) -> None:
        self._path, self._model, self._dimension = path, model, dimension

    def read(self, prompts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Return the embeddings that are there, by prompt."""
        found: dict[str, NDArray[np.float32]] = {}
        try:
            with closing(self._connect()) as connection:
                for prompt in prompts:
                    row = connection.execute(
                        "SELECT vector FROM embeddings WHERE model = ? AND prompt = ?", (self._model, prompt)
                    ).fetchone()
                    vector = np.frombuffer(row[0] if row else b"", np.float32)
                    if len(vector) == self._dimension and abs(np.linalg.norm(vector) - 1) < 1e-3:
                        found[prompt] = vector
        except (sqlite3.Error, OSError, ValueError):
            pass
        return found

    def write(self, embeddings: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep embeddings (D,) by prompt."""
        rows = [(self._model, prompt, vector.tobytes()) for prompt, vector in embeddings.items()]
        try:
            with closing(self._connect()) as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", rows)
        except (sqlite3.Error, OSError):
            pass

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_PATIENCE)
        connection.execute(_TABLE)
        return connection
