"""Measure what fundus photographs look like, for the gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from retizero import phantom
from retizero.data import field_of_view, read_image, read_manifest
from retizero.serving.appearance import Appearance, measure
from retizero.serving.gate import GateReference

LIMIT, LIMIT_WITHOUT_FIELD = (
    50.0,
    25.0,
)  # squared distances, chosen on validation photographs and natural pictures
_SHRINKAGE = 0.05
_EVERY = 4  # one in so many training photographs is measured
_POOR = 0.02  # of the training photographs count as poor


def fit_reference(manifest: Path, seed: int = 0) -> GateReference:
    """Fit the reference on training photographs, borderless crops of them, and phantoms."""
    rng = np.random.default_rng(seed)
    rows = read_manifest(manifest).where("train").rows[::_EVERY]
    whole: list[Appearance] = []
    cropped: list[Appearance] = []
    for row in tqdm(rows, desc="gate", mininterval=10):
        image = read_image(row.image)
        whole.append(measure(image))
        cropped.append(measure(borderless(image, rng.uniform(0.6, 0.97))))
    drawn = [
        measure(phantom.render(label, number, size=384)) for label in phantom.LABELS for number in range(3)
    ]
    numbers = np.array([each.numbers for each in [*whole, *cropped[::2], *drawn]])
    mean, scale = numbers.mean(axis=0), numbers.std(axis=0)
    covariance = np.cov(((numbers - mean) / scale).T) + _SHRINKAGE * np.eye(len(mean))
    sharpness = np.array([each.sharpness for each in whole])
    brightness = np.array([each.brightness for each in whole])
    reference = GateReference(
        mean=_rounded(mean),
        scale=_rounded(scale),
        precision=tuple(_rounded(row) for row in np.linalg.inv(covariance)),
        limit=LIMIT,
        limit_without_field=LIMIT_WITHOUT_FIELD,
        sharpness=(float(np.quantile(sharpness, 0.001)) / 2, float(np.quantile(sharpness, 0.25))),
        brightness=(0.02, float(np.quantile(brightness, 0.1))),
        poor_quality=0.0,
    )
    qualities = [reference.quality(each) for each in whole]
    return replace(reference, poor_quality=float(np.quantile(qualities, _POOR)))


def borderless(image: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Cut the square inscribed in ``share`` of the field of view: a photograph without any border."""
    field = field_of_view(image)
    half = max(1, int(field.radius * share / np.sqrt(2)))
    x, y = int(field.center_x), int(field.center_y)
    return image[max(0, y - half) : y + half, max(0, x - half) : x + half]


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)
