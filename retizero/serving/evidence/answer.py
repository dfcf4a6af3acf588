"""The answer to "why": a map over the photograph, and what it says in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.model.identity import ModelIdentity
from retizero.serving.evidence.drawing import OUTLINE, drawn_over, png


@dataclass(frozen=True)
class Evidence:
    """What in a photograph speaks for a text, as one model weighs it. No proof of a lesion.

    Attributes:
        map: (H, W) float32, a pixel of the photograph each, 0 to 1; all 0 where nothing speaks for the text,
            and 0 outside of what the model sees.
        id: Catalogue id of the diagnosis; ``free:...`` for other words; empty for a prompt.
        label: The diagnosis or prompt in words.
        method: ``relevance``, ``rollout`` or ``cam``.
        grid: Patches, or places of the last features, along a side: the map's true resolution.
        similarity: Cosine of photograph and text, -1 to 1.
        model: Who answered.
    """

    map: NDArray[np.float32]
    id: str
    label: str
    method: str
    grid: int
    similarity: float
    model: ModelIdentity

    @property
    def peak(self) -> tuple[float, float]:
        """Where the evidence is strongest: x and y in 0..1 of the photograph's width and height."""
        row, column = np.unravel_index(int(self.map.argmax()), self.map.shape)
        height, width = self.map.shape
        return (float(column) + 0.5) / width, (float(row) + 0.5) / height

    @property
    def area(self) -> float:
        """Share of the photograph with at least half of the largest evidence, 0 to 1."""
        return float((self.map >= OUTLINE).mean())

    def over(self, image: NDArray[np.uint8], opacity: float = 0.6) -> NDArray[np.uint8]:
        """Draw the map over the photograph (H, W, 3) uint8 RGB that it was made from."""
        return drawn_over(image, self.map, opacity)

    def png(self, image: NDArray[np.uint8], opacity: float = 0.6) -> bytes:
        """The map over its photograph (H, W, 3) uint8 RGB, as PNG without metadata."""
        return png(self.over(image, opacity))

    def to_json(self) -> dict[str, Any]:
        """Return what the map says, without the map."""
        return {
            "id": self.id,
            "label": self.label,
            "method": self.method,
            "grid": self.grid,
            "similarity": self.similarity,
            "peak": list(self.peak),
            "area": self.area,
            "model": {**self.model.to_dict(), "fingerprint": self.model.fingerprint},
        }
