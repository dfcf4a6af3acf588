"""Measure one kind of large gallery in a process of its own: ``... large_gallery_measures KIND`` prints JSON.

The process has loaded nothing but the libraries, so what it grows by is what the gallery takes: all resident
memory is counted, memory-mapped files included.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from retizero.retrieval import Gallery, Record
from retizero.retrieval.exact_search import exact_search
from tests.bench.large_gallery import DIMENSION, SIZE, TOP, gallery_of, large

WARM_UP = 500


def resident_bytes() -> int:
    """Resident memory of this process, mapped files included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(kind: str) -> dict[str, float | None]:
    """Build or find the gallery, then open, search and extend it."""
    data = large()
    folder, built = gallery_of(kind, data.vectors)
    queries, nearest = np.array(data.queries), np.array(data.nearest)
    warm = np.ones((8, DIMENSION), np.float32)
    exact_search(warm, warm[:1], 1)  # threads and code are there before memory is counted
    before = resident_bytes()
    started = time.perf_counter()
    gallery = Gallery.open(folder)
    opened = time.perf_counter() - started
    for query in np.array(data.added)[:WARM_UP]:  # other photographs; a server that has run for a while
        gallery.search(query, TOP)
    seconds, found = [], []
    for query, expected in zip(queries, nearest, strict=True):
        started = time.perf_counter()
        (hits,) = gallery.search(query, TOP)
        seconds.append(time.perf_counter() - started)
        found.append(len({int(hit.id) for hit in hits} & set(expected.tolist())) / TOP)
    memory = resident_bytes() - before
    size = SIZE * DIMENSION * gallery.vectors.itemsize
    return {
        "built": built,
        "opened": opened,
        "p50": statistics.median(seconds),
        "recall": float(np.mean(found)),
        "memory": memory / size,
        "added": added(folder, np.array(data.added)),
    }


def added(folder: Path, vectors: np.ndarray) -> float:
    """Seconds to add vectors to a copy of a gallery, found afterwards, with its large index left as it is."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        copy = Path(temporary) / "g"
        copy.mkdir()
        for file in folder.iterdir():
            if file.suffix == ".sqlite":
                shutil.copyfile(file, copy / file.name)
            elif not file.name.startswith("records.sqlite"):
                os.link(file, copy / file.name)
        gallery = Gallery.open(copy)
        gallery.search(vectors[:1], 1)
        records = [Record(f"new {i}", "", "", f"new {i}") for i in range(len(vectors))]
        started = time.perf_counter()
        gallery = gallery.add(vectors, records)
        took = time.perf_counter() - started
        assert gallery.search(vectors[7:8], 1)[0][0].id == "new 7"
        assert {file.name for file in folder.glob("index-*")} <= {file.name for file in copy.iterdir()}
    return took


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
