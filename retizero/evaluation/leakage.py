"""Is a photograph of the test manifest, or its patient, in the training manifest too?

A photograph is reduced to its field of view in grey, 32 x 32 pixels; its perceptual hash is the sign of the
256 lowest frequencies of the cosine transform against their median (Zauner 2010, "Implementation and
benchmarking of perceptual image hash functions"). Pairs with close hashes are near duplicates where the small
pictures, each freed of its own smooth shading, correlate too: all fundus photographs are alike in shading.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from tqdm import tqdm

from retizero.data import ImageReadError, Manifest, ManifestRow, crop_to_field, read_image
from retizero.evaluation.answers import digest_of
from retizero.evaluation.errors import EvaluationError

BITS = 256
MOST_BITS = 64  # of 256 may differ in a candidate pair; unrelated pictures differ in about 128
LEAST_CORRELATION = 0.91
_SMALL, _DETAIL = 32, 96
_SHADING = 6.0  # pixels of the 96: standard deviation of the blur that is taken for shading


@dataclass(frozen=True)
class Fingerprint:
    """What is compared of a photograph.

    Attributes:
        row: Its row in the manifest.
        digest: Of the file.
        bits: (32,) uint8, the packed hash.
        detail: (9216,) float32, zero mean, unit norm: the picture without its shading.
    """

    row: ManifestRow
    digest: str
    bits: NDArray[np.uint8]
    detail: NDArray[np.float32]


def fingerprint(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Hash (32,) uint8 and detail (9216,) float32 of a photograph (H, W, 3) uint8 RGB."""
    grey = cv2.cvtColor(crop_to_field(image), cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.resize(grey, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
    low = dctn(small.astype(np.float64), norm="ortho")[:16, :16].ravel()
    bits = np.packbits(low > np.median(low[1:]))
    detail = cv2.resize(grey, (_DETAIL, _DETAIL), interpolation=cv2.INTER_AREA)
    detail = (detail - cv2.GaussianBlur(detail, (0, 0), _SHADING)) * _inside()
    detail -= detail.mean()
    return bits, np.asarray(detail.ravel() / (np.linalg.norm(detail) + 1e-9), np.float32)


def find_leakage(train: Manifest, test: Manifest) -> dict[str, Any]:
    """Look for photographs and groups of the test manifest in the training manifest.

    Returns:
        ``pairs``: kind (``identical`` file or ``near_duplicate``), both names and groups, different bits of
        256 and the correlation, closest first; ``groups_in_both``; ``counts``. Plain values for JSON.

    Raises:
        EvaluationError: No image of one of the two can be read.
    """
    known, known_problems = fingerprints(train, "Hashing the first manifest")
    asked, asked_problems = fingerprints(test, "Hashing the second manifest")
    pairs = _close_pairs(known, asked)
    groups = _groups_in_both(train, test)
    kinds = [pair["kind"] for pair in pairs]
    return {
        "n_train": len(known),
        "n_test": len(asked),
        "counts": {kind: kinds.count(kind) for kind in ("identical", "near_duplicate")},
        "test_images_affected": len({pair["test"] for pair in pairs}),
        "pairs": pairs,
        "groups_in_both": groups,
        "protocol": {
            "task": "leakage between two manifests",
            "train": train.path.name,
            "test": test.path.name,
            "hash": f"sign of the {BITS} lowest frequencies of the grey field of view at {_SMALL} x {_SMALL}",
            "near_duplicate": f"at most {MOST_BITS} different bits, and correlation of at least "
            f"{LEAST_CORRELATION} at {_DETAIL} x {_DETAIL} after taking the shading away",
            "groups": "the group column of both manifests, as written; photographs without one have none",
            "problems": [*known_problems, *asked_problems],
        },
    }


def fingerprints(manifest: Manifest, title: str) -> tuple[list[Fingerprint], list[str]]:
    """Fingerprints of a manifest's photographs, and a sentence for each that cannot be read.

    Raises:
        EvaluationError: None can be read.
    """

    def one(row: ManifestRow) -> Fingerprint | str:
        try:
            return Fingerprint(row, digest_of(row.image), *fingerprint(read_image(row.image)))
        except ImageReadError as error:
            return f"Row {row.row}: {error}"

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        done = list(tqdm(pool.map(one, manifest.rows), title, len(manifest.rows), unit="image", disable=None))
    found = [each for each in done if isinstance(each, Fingerprint)]
    if not found:
        raise EvaluationError(f"None of the images of {manifest.path} can be read.")
    return found, [*manifest.problems, *(each for each in done if isinstance(each, str))]


def _close_pairs(known: Sequence[Fingerprint], asked: Sequence[Fingerprint]) -> list[dict[str, Any]]:
    index = faiss.IndexBinaryFlat(BITS)
    index.add(np.stack([each.bits for each in known]))
    limits, distances, places = index.range_search(np.stack([each.bits for each in asked]), MOST_BITS + 1)
    pairs = []
    for number, mine in enumerate(asked):
        for found in range(int(limits[number]), int(limits[number + 1])):
            other = known[int(places[found])]
            identical = other.digest == mine.digest
            correlation = float(other.detail @ mine.detail)
            if not identical and correlation < LEAST_CORRELATION:
                continue
            pairs.append(
                {
                    "kind": "identical" if identical else "near_duplicate",
                    "train": other.row.name,
                    "test": mine.row.name,
                    "train_group": _group(other.row),
                    "test_group": _group(mine.row),
                    "distance": int(distances[found]),
                    "correlation": min(1.0, correlation),
                }
            )
    return sorted(pairs, key=lambda pair: (pair["kind"], -pair["correlation"], pair["test"], pair["train"]))


def _groups_in_both(train: Manifest, test: Manifest) -> list[dict[str, Any]]:
    counts = []
    for manifest in (train, test):
        counted: dict[str, int] = {}
        for row in manifest.rows:
            if group := _group(row):
                counted[group] = counted.get(group, 0) + 1
        counts.append(counted)
    return [
        {"group": group, "train": counts[0][group], "test": counts[1][group]}
        for group in sorted(counts[0].keys() & counts[1].keys())
    ]


def _group(row: ManifestRow) -> str:
    """The group as written; nothing for a photograph that is a group of its own."""
    return "" if row.group == str(row.image.resolve()) else row.group


def _inside() -> NDArray[np.float32]:
    """1 well inside the field of view, 0 at its border, whose edge all photographs share."""
    rows, columns = np.mgrid[:_DETAIL, :_DETAIL] - (_DETAIL - 1) / 2
    return np.asarray(np.hypot(rows, columns) < 0.42 * _DETAIL, np.float32)
