"""Before any answer: is this a colour fundus photograph, and a usable one?

A picture is compared with real photographs by the Mahalanobis distance of its appearance, and of its
embedding where the model brings a fit of its own (``familiarity``). The reference beside this file is made by
``retizero train gate``; the rates measured with it are in the model card.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.serving.answers import Gate
from retizero.serving.appearance import Appearance, measure

REFERENCE = Path(__file__).with_name("gate.json")


@dataclass(frozen=True)
class GateReference:
    """What fundus photographs look like, and how far a picture may be from it.

    Attributes:
        mean: (F,) of the appearance numbers.
        scale: (F,) standard deviations.
        precision: (F, F) inverse covariance of the standardised numbers.
        limit: Largest squared distance where a round field of view is seen.
        limit_without_field: The same where none is seen; stricter, as nothing else speaks for a photograph.
        sharpness: Below the first the quality is 0, above the second sharpness costs nothing.
        brightness: The same for the mean inside the field.
        poor_quality: Below this quality the answer comes with a warning.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    limit: float
    limit_without_field: float
    sharpness: tuple[float, float]
    brightness: tuple[float, float]
    poor_quality: float

    def distance(self, numbers: NDArray[np.float64]) -> float:
        """Squared Mahalanobis distance of one picture's numbers (F,)."""
        standard = (numbers - np.array(self.mean)) / np.array(self.scale)
        return float(standard @ np.array(self.precision) @ standard)

    def quality(self, appearance: Appearance) -> float:
        """0 (useless) to 1: the product of sharpness, brightness and unclipped area."""
        sharp = _ramp(appearance.sharpness, self.sharpness)
        bright = _ramp(appearance.brightness, self.brightness)
        return sharp * bright * (1 - appearance.clipped)

    def to_json(self) -> str:
        """Return JSON that ``read_reference`` reads."""
        return json.dumps(asdict(self), indent=1) + "\n"


@lru_cache(maxsize=2)
def read_reference(path: Path = REFERENCE) -> GateReference:
    """Read a reference file."""
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    values["precision"] = tuple(tuple(row) for row in values["precision"])
    for name in ("mean", "scale", "sharpness", "brightness"):
        values[name] = tuple(values[name])
    return GateReference(**values)


@dataclass(frozen=True)
class Look:
    """First look at a picture.

    Attributes:
        oddness: Squared distance from photographs, in units of the limit.
        quality: 0 (useless) to 1.
        poor: Whether the quality deserves a warning.
    """

    oddness: float
    quality: float
    poor: bool

    def gate(self, unfamiliarity: float = 0.0, limit: float = 1.0) -> Gate:
        """Decide, given the embedding's distance and the largest sum of both that is answered."""
        if not self.oddness + unfamiliarity <= limit:
            return Gate(is_fundus=False, quality=0.0, reason="not_fundus")
        return Gate(True, self.quality, "poor_quality" if self.poor else "ok")


def look_at(image: NDArray[np.uint8], reference: GateReference | None = None) -> Look:
    """Look at (H, W, 3) uint8 RGB; never raises for an odd picture."""
    reference = reference or read_reference()
    appearance = measure(image)
    limit = reference.limit if appearance.field_found else reference.limit_without_field
    quality = reference.quality(appearance)
    return Look(reference.distance(appearance.numbers) / limit, quality, quality < reference.poor_quality)


def judge(image: NDArray[np.uint8], reference: GateReference | None = None) -> Gate:
    """Judge (H, W, 3) uint8 RGB by its appearance alone."""
    return look_at(image, reference).gate()


def _ramp(value: float, ends: tuple[float, float]) -> float:
    return float(np.clip((value - ends[0]) / (ends[1] - ends[0]), 0, 1))
