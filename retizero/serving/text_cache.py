"""Prompts are encoded once per model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from retizero.model.dual_encoder import DualEncoder
from retizero.serving.text_store import TextStore


class TextCache:
    """Text embeddings by prompt for one model, least recently used dropped first. Thread-safe.

    Args:
        model: The cache belongs to its identity.
        encode: Embeds what is not there yet; the model's own way when None.
        store: Keeps prompts on disk too, where they may last.
        capacity: Prompts kept in memory; 20,000 of 256 numbers are 20 MB.
    """

    def __init__(
        self,
        model: DualEncoder,
        encode: Callable[[Sequence[str]], NDArray[np.float32]] | None = None,
        store: TextStore | None = None,
        capacity: int = 20_000,
    ) -> None:
        self._model = model
        self._encode = encode or model.encode_texts
        self._store = store
        self._capacity = capacity
        self._kept: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()
        self._fingerprint = model.identity.fingerprint

    def embed(self, texts: Sequence[str], lasting: Set[str] = frozenset()) -> NDArray[np.float32]:
        """Embed prompts, (N, D) float32, unit norm.

        Args:
            texts: Prompts.
            lasting: Those of them that the store may keep.
        """
        keys = [(self._fingerprint, text) for text in texts]
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
        new = [text for text in dict.fromkeys(texts) if (self._fingerprint, text) not in found]
        stored = self._store.read(text for text in new if text in lasting) if self._store and new else {}
        unread = [text for text in new if text not in stored]
        encoded = dict(zip(unread, self._encode(unread), strict=True)) if unread else {}
        if self._store and (kept := {text: row for text, row in encoded.items() if text in lasting}):
            self._store.write(kept)
        found |= {(self._fingerprint, text): row for text, row in {**stored, **encoded}.items()}
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
