"""Pictures that are no fundus photographs, for the gate to learn from: of installed packages, and of noise.

They are disguised as photographs might be taken for: tinted, and behind the round mask of a fundus camera.
``gate_rates`` judges the gate by other pictures, scikit-image's.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]

_FOLDERS = (("gradio", "media_assets/images"), ("gradio", "test_data"), ("sklearn", "datasets/images"))
_SUFFIXES = (".jpg", ".jpeg", ".png")
_LEAST = 128  # pixels on the shorter side
_PARTS, _NOISE = 30, 250
_MASKED = 0.35  # of the parts and of the noise


def counterexamples(seed: int) -> list[Picture]:
    """Installed packages' pictures, whole and in disguised parts, and noise, (H, W, 3) uint8 each."""
    rng = np.random.default_rng(seed)
    made: list[Picture] = []
    for picture in installed_pictures():
        made.append(picture)
        tinted = (_tinted(part, rng) for part in parts(picture, rng, _PARTS, 0.2))
        made += [_maybe_masked(each, rng) for each in tinted]
    return made + [_maybe_masked(_noise(rng), rng) for _ in range(_NOISE)]


def installed_pictures() -> Iterator[Picture]:
    """Pictures that come with gradio and scikit-learn, whichever of them are there, (H, W, 3) uint8."""
    for package, folder in _FOLDERS:
        found = find_spec(package)
        for root in (found and found.submodule_search_locations) or ():
            for path in sorted((Path(root) / folder).glob("*")):
                if path.suffix in _SUFFIXES:
                    picture = np.asarray(Image.open(path).convert("RGB"))
                    if min(picture.shape[:2]) >= _LEAST:
                        yield picture


def parts(picture: Picture, rng: np.random.Generator, count: int, smallest: float = 0.4) -> Iterator[Picture]:
    """Cut squares whose side is ``smallest`` to 0.8 of the picture's shorter one."""
    height, width = picture.shape[:2]
    for _ in range(count):
        side = int(min(height, width) * rng.uniform(smallest, 0.8))
        y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        yield picture[y : y + side, x : x + side]


def behind_round_mask(picture: Picture, radius: float = 0.48) -> Picture:
    """Cut a square and blacken what lies outside a circle; its radius in sides of the square."""
    side = min(picture.shape[:2])
    square = picture[:side, :side].copy()
    rows, columns = np.ogrid[:side, :side]
    square[np.hypot(columns - side / 2, rows - side / 2) > radius * side] = 0
    return square


def _maybe_masked(picture: Picture, rng: np.random.Generator) -> Picture:
    if rng.random() >= _MASKED:
        return np.ascontiguousarray(picture)
    return behind_round_mask(picture, rng.uniform(0.44, 0.5))


def _tinted(picture: Picture, rng: np.random.Generator) -> Picture:
    """Towards the orange of a fundus, some from grey, some not at all."""
    light = picture.astype(np.float32) / 255
    if rng.random() < 0.3:
        light = light.mean(axis=2, keepdims=True).repeat(3, axis=2)
    if rng.random() < 0.6:
        light = light * np.array(
            [rng.uniform(0.7, 1.1), rng.uniform(0.35, 1), rng.uniform(0.1, 1)], np.float32
        )
    return _as_bytes(light)


def _noise(rng: np.random.Generator, side: int = 384) -> Picture:
    """Noise of all sizes around one colour, half of the time a fundus's."""
    light = np.zeros((side, side, 3), np.float32)
    smoothness, cells = rng.uniform(0.4, 1.6), 2
    while cells <= side // 2:
        coarse = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        light += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC) * cells**-smoothness
        cells *= 2
    if rng.random() < 0.5:
        light = light[..., :1].repeat(3, axis=2)
    light = (light - light.mean()) / light.std()
    any_colour = rng.uniform(0.1, 0.9, 3)
    orange = np.array([rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.5), rng.uniform(0.05, 0.35)])
    return _as_bytes((any_colour if rng.random() < 0.5 else orange) + light * rng.uniform(0.02, 0.25))


def _as_bytes(light: NDArray[np.floating]) -> Picture:
    return (light.clip(0, 1) * 255).astype(np.uint8)
