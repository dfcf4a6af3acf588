"""The large galleries that ``retrieval`` measures: made once, kept under ``build/bench-gallery``."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retizero.retrieval import Gallery, GalleryError, Record
from tests.bench.clustered_vectors import PER_PATIENT, photographs, population

SIZE, DIMENSION, QUERIES, TOP = 341_896, 512, 300, 20
FOLDER = Path("build/bench-gallery")
IDENTITY = {"id": "bench", "embed_dim": DIMENSION}


@dataclass(frozen=True)
class Large:
    """Vectors (SIZE, DIMENSION), new photographs of the same patients, and their true 20 nearest."""

    vectors: NDArray[np.float32]
    queries: NDArray[np.float32]
    added: NDArray[np.float32]
    nearest: NDArray[np.int64]


def large() -> Large:
    """Draw the vectors, or find them."""
    from retizero.retrieval.exact_search import exact_search

    files = {name: FOLDER / f"{name}.npy" for name in ("vectors", "queries", "added", "nearest")}
    if not files["nearest"].exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        people = population(rng, SIZE // PER_PATIENT, DIMENSION)
        owners = np.arange(SIZE) % len(people.patients)
        np.save(files["queries"], photographs(rng, people, rng.choice(owners, QUERIES)))
        np.save(files["added"], photographs(rng, people, rng.choice(owners, 1_000)))
        np.save(files["vectors"], photographs(rng, people, owners))
        vectors = np.load(files["vectors"], mmap_mode="r")
        np.save(files["nearest"], exact_search(vectors, np.load(files["queries"]), TOP)[1])
    return Large(*(np.load(file, mmap_mode="c") for file in files.values()))


def gallery_of(kind: str, vectors: NDArray[np.float32]) -> tuple[Path, float | None]:
    """Build the gallery of one kind, or find it; return its folder, and the seconds where it was built."""
    folder = FOLDER / kind
    try:
        if len(Gallery.open(folder)) == SIZE:
            return folder, None
    except GalleryError:
        pass
    started = time.perf_counter()
    records = [
        Record(str(i), f"{i}.png", f"d{i % 400}", f"p{i % (SIZE // PER_PATIENT)}", "bench")
        for i in range(len(vectors))
    ]
    Gallery.build(folder, vectors, records, IDENTITY, kind)
    return folder, time.perf_counter() - started
