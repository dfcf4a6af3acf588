"""How often the gate is wrong: real photographs refused, other pictures let through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from retizero import phantom
from retizero.data import read_image, read_manifest
from retizero.serving import Engine
from retizero.training.gate.counterexamples import Picture, behind_round_mask, parts
from retizero.training.gate.reference import borderless

_PICTURES = (
    "astronaut", "brick", "camera", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass",
    "gravel", "horse", "hubble_deep_field", "immunohistochemistry", "logo", "moon", "page", "rocket", "text",
)  # fmt: skip
_DRAWN = 20  # of each kind


def gate_rates(manifest: Path, split: str, model: str, seed: int = 0) -> dict[str, dict[str, float]]:
    """Return, by kind of picture, how many there are and which fraction the gate refuses or calls poor.

    Kinds: photographs of a split, borderless crops of every third of them, phantoms, scikit-image's bundled
    pictures whole, cut, and behind a round black mask, and drawings made here.
    """
    rng, engine = np.random.default_rng(seed), Engine.load(model)
    rows = read_manifest(manifest).where(split).rows
    photographs = [read_image(row.image) for row in tqdm(rows, desc="photographs", mininterval=10)]
    natural = list(natural_pictures())
    kinds = {
        f"photographs, split {split}": photographs,
        f"borderless crops, split {split}": [
            borderless(each, rng.uniform(0.6, 0.97)) for each in photographs[::3]
        ],
        "phantoms": [phantom.render(label, 1000 + n, size=384) for label in phantom.LABELS for n in range(3)],
        "bundled pictures": natural,
        "parts of bundled pictures": [part for each in natural for part in parts(each, rng, 4)],
        "bundled pictures behind a round mask": [behind_round_mask(each) for each in natural],
        "drawings: text pages": [_text_page(rng) for _ in range(_DRAWN)],
        "drawings: faces": [_face(rng) for _ in range(_DRAWN)],
        "drawings: layered scans like OCT": [_layers(rng) for _ in range(_DRAWN)],
        "drawings: circles, flat colours, noise": [
            draw(rng) for draw in (_circles, _flat, _noise) for _ in range(_DRAWN)
        ],
    }
    rates = {}
    for kind, pictures in kinds.items():
        gates = [engine.examine(picture)[0] for picture in tqdm(pictures, desc=kind, mininterval=10)]
        rates[kind] = {
            "n": len(gates),
            "refused": float(np.mean([not gate.is_fundus for gate in gates])),
            "poor_quality": float(np.mean([gate.reason == "poor_quality" for gate in gates])),
        }
    return rates


def natural_pictures() -> Iterator[Picture]:
    """scikit-image's bundled pictures that are no fundus photographs, (H, W, 3) uint8."""
    from skimage import data

    source: Any = data
    for name in _PICTURES:
        picture = np.asarray(getattr(source, name)())
        picture = picture.astype(np.uint8) * 255 if picture.dtype == np.bool_ else picture
        yield (
            np.repeat(picture[:, :, None], 3, 2)
            if picture.ndim == 2
            else np.ascontiguousarray(picture[:, :, :3])
        )


def _text_page(rng: np.random.Generator) -> Picture:
    page = np.full((700, 500, 3), int(rng.integers(225, 256)), np.uint8)
    for line in range(25):
        words = "".join(rng.choice(list("abcdefghijklmn opqrstuvwxyz"), 34))
        cv2.putText(page, words, (20, 40 + 26 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1)
    return page


def _face(rng: np.random.Generator) -> Picture:
    face = np.full((400, 400, 3), rng.integers(100, 256, 3), np.uint8)
    skin = tuple(int(rng.integers(low, high)) for low, high in ((180, 250), (130, 200), (100, 160)))
    cv2.ellipse(face, (200, 200), (120, 160), 0, 0, 360, skin, -1)
    for x in (155, 245):
        cv2.circle(face, (x, 165), 14, (40, 30, 30), -1)
    cv2.ellipse(face, (200, 270), (45, 18), 0, 0, 180, (160, 40, 50), -1)
    return face


def _layers(rng: np.random.Generator) -> Picture:
    scan = np.full((300, 500), 0.08)
    columns = np.arange(500)
    top = 150 + 25 * np.sin(columns / 80 + rng.uniform(0, 6))
    for layer in range(7):
        edge = (top + layer * 12 + 3 * np.sin(columns / 30 + layer)).astype(int)
        for depth in range(6):
            scan[np.clip(edge + depth, 0, 299), columns] = rng.uniform(0.3, 0.9)
    grey = ((scan + rng.normal(0, 0.08, scan.shape)).clip(0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, 2)


def _circles(rng: np.random.Generator) -> Picture:
    drawing = np.full((400, 500, 3), rng.integers(0, 256, 3), np.uint8)
    for number in range(12):
        middle, radius = (int(rng.integers(0, 500)), int(rng.integers(0, 400))), int(rng.integers(5, 120))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.circle(drawing, middle, radius, colour, -1 if number % 2 else 3)
    return drawing


def _flat(rng: np.random.Generator) -> Picture:
    return np.full((300, 300, 3), rng.integers(0, 256, 3), np.uint8)


def _noise(rng: np.random.Generator) -> Picture:
    return rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)
