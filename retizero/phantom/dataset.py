"""Write a folder of phantoms with a manifest."""

import csv
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from retizero.phantom.diagnoses import LABELS, PhantomError, diagnosis
from retizero.phantom.eye import Laterality
from retizero.phantom.rendering import render

SOURCE = "phantom (synthetic)"
"""What the column ``source`` of every manifest of phantoms says."""

_BOTH_EYES = 0.35  # share of patients with photographs of both eyes
_TRAIN, _VALIDATION = 0.7, 0.1  # shares of the patients; the rest is test


def write_dataset(
    directory: str | Path,
    n: int,
    labels: Sequence[str] | None = None,
    seed: int = 0,
    size: int = 512,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render ``n`` phantoms as PNG files and write ``manifest.csv`` beside them.

    Labels take turns, so they are as even as ``n`` allows. Some patients have both eyes photographed; the two
    share ``group``, label and split. File names do not tell the label.

    Args:
        directory: Folder to write to; made when missing.
        n: Number of images, 1 or more.
        labels: Ids of diagnoses; all when left out.
        seed: Seed of the whole set.
        size: Side of the images in pixels.
        progress: Called with (images done, ``n``) after every image.

    Returns:
        Path of the manifest, columns image, label, group, source, split.

    Raises:
        PhantomError: When ``n`` is not positive, the seed is negative or a label is not known.
    """
    chosen = tuple(labels) if labels else LABELS
    for label in chosen:
        diagnosis(label)
    if n < 1:
        raise PhantomError(f"The number of phantoms is 1 or more, not {n}.")
    if seed < 0:
        raise PhantomError(f"The seed of a phantom is 0 or above, not {seed}.")
    folder = Path(directory)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 0xDA7A])
    names = iter(rng.permutation(max(10 * n, 10_000)).tolist())
    digits = len(str(max(10 * n, 10_000) - 1))
    rows: list[dict[str, str]] = []
    drawings: list[tuple[Path, str, int, Laterality | None]] = []
    made = dict.fromkeys(chosen, 0)
    while len(rows) < n:
        label = min(chosen, key=lambda candidate: made[candidate])
        patient = int(rng.integers(0, 2**31))
        group = f"p{next(names):0{digits}d}"
        share = rng.random()
        split = "train" if share < _TRAIN else "val" if share < _TRAIN + _VALIDATION else "test"
        sides: tuple[Laterality | None, ...] = (None,)
        if rng.random() < _BOTH_EYES and n - len(rows) >= 2:
            sides = ("right", "left")
        for side in sides:
            image = f"images/{next(names):0{digits}d}.png"
            drawings.append((folder / image, label, patient, side))
            rows.append({"image": image, "label": label, "group": group, "source": SOURCE, "split": split})
            made[label] += 1
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for done, _ in enumerate(threads.map(lambda each: _draw(*each, size=size), drawings), 1):
            if progress:
                progress(done, n)
    rows.sort(key=lambda row: row["image"])
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["image", "label", "group", "source", "split"])
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def _draw(path: Path, label: str, patient: int, side: Laterality | None, *, size: int) -> None:
    _write_png(path, render(label, patient, size, laterality=side))


def _write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    done, coded = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    if not done:
        raise PhantomError(f"The image {path.name} could not be written as PNG.")
    path.write_bytes(coded.tobytes())
