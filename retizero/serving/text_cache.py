"""Prompts are encoded once per model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retizero.model.dual_encoder import DualEncoder


class TextCache:
    """Text embeddings by prompt for one model, least recently used dropped first. Thread-safe.

    Args:
        model: Encodes what is not there yet; the cache belongs to its identity.
        capacity: Prompts kept; 20,000 of 256 numbers are 20 MB.
    """

    def __init__(self, model: DualEncoder, capacity: int = 20_000) -> None:
        self._model = model
        self._capacity = capacity
        self._kept: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()
        self._fingerprint = model.identity.fingerprint

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (N, D) float32, unit norm."""
        keys = [(self._fingerprint, text) for text in texts]
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
        new = [text for text in dict.fromkeys(texts) if (self._fingerprint, text) not in found]
        if new:
            for text, row in zip(new, self._model.encode_texts(new), strict=True):
                found[self._fingerprint, text] = row
        with self._lock:
            for key, row in found.items():
                self._kept[key] = row
                self._kept.move_to_end(key)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        if not keys:
            return np.empty((0, self._model.identity.embed_dim), np.float32)
        return np.stack([found[key] for key in keys])

    def __len__(self) -> int:
        return len(self._kept)
