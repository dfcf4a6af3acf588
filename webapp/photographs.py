"""A study's photographs as readers get them, made once and kept: one canvas, one file size, pixels unchanged.

Canvas and size in bytes are the same for all cases of a study; a difference would tell readers (and whoever
watches the network) from which camera or data set a case came.
"""

import hashlib
import shutil
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from reader_study.photographs import CasePhotograph
from retizero.data import ImageReadError, crop_to_field, read_image
from webapp.png import SMALLEST_PADDING, padded, to_png

LONGEST_SIDE = 4096  # pixels; larger photographs are scaled down to this
RECIPE = "field on a common square, 1"
"""What is done to a photograph, in words; another text makes all of them anew."""


def cropped(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Crop a photograph (H, W, 3) uint8 to its field of view on a square, at most 4096 px a side."""
    square = crop_to_field(image)
    if square.shape[0] > LONGEST_SIDE:
        size = (LONGEST_SIDE, LONGEST_SIDE)
        square = np.asarray(Image.fromarray(square).resize(size, Image.Resampling.LANCZOS))
    return square


def on_canvas(square: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Put a square photograph, unscaled, in the middle of a black canvas (side, side, 3) uint8."""
    canvas = np.zeros((side, side, 3), np.uint8)
    at = (side - square.shape[0]) // 2
    canvas[at : at + square.shape[0], at : at + square.shape[1]] = square
    return canvas


class Photographs:
    """The prepared photographs in a folder that no route serves from.

    Args:
        folder: made where it is not there; may be deleted at any time, it is a cache.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._gate = threading.Lock()
        self._making: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def png(self, photograph: CasePhotograph, beside: Sequence[CasePhotograph]) -> bytes:
        """Return the PNG of one photograph of a set; the first call for a set prepares all of it.

        Raises:
            OSError: the folder cannot be written, or the photograph cannot be read.
        """
        return (self.prepare(beside) / f"{photograph.sha256}.png").read_bytes()

    def prepare(self, photographs: Sequence[CasePhotograph]) -> Path:
        """Make the PNG of every photograph of a set that can be read; return their folder."""
        names = sorted({photograph.sha256 for photograph in photographs})
        key = hashlib.sha256("\n".join([RECIPE, *names]).encode()).hexdigest()[:32]
        place = self.folder / key
        if not place.is_dir():
            with self._gate:
                lock = self._making[key]
            with lock:
                if not place.is_dir():
                    self._make(place, {p.sha256: p.path for p in photographs})
        return place

    def _make(self, place: Path, files: dict[str, Path]) -> None:
        part = place.with_name(place.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)
        sides = {name: side for name, path in files.items() if (side := _side(path))}
        for name in sides:
            image = on_canvas(cropped(read_image(files[name])), max(sides.values()))
            (part / f"{name}.png").write_bytes(to_png(image))
        made = sorted(part.iterdir())
        size = max((file.stat().st_size for file in made), default=0) + SMALLEST_PADDING
        for file in made:
            file.write_bytes(padded(file.read_bytes(), size))
        part.replace(place)


def _side(path: Path) -> int | None:
    """The side of a photograph's field in pixels; ``None`` where the file cannot be read."""
    try:
        return int(cropped(read_image(path)).shape[0])
    except (ImageReadError, OSError):
        return None
