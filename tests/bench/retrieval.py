"""Search in galleries."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.bench.rows import Row, machine, median_seconds


def flat_search() -> list[Row]:
    """One query in a flat gallery of 20,000 vectors of 512, against numpy doing the same."""
    from retizero.retrieval import Gallery, Record

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20_000, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    records = [
        Record(id=str(i), image="", label="", group=str(i), source="", synthetic=True)
        for i in range(len(vectors))
    ]
    with TemporaryDirectory() as folder:
        gallery = Gallery.build(Path(folder) / "g", vectors, records, {"id": "bench"}, kind="flat")
        ours = median_seconds(lambda: gallery.search(vectors[:1], 20), 30)
    plain = median_seconds(lambda: np.argsort(-(vectors @ vectors[0]))[:20], 30)
    name = "flat gallery, 20,000 x 512, one query"
    return [
        Row(
            name,
            ours * 1000,
            "ms",
            "numpy, same vectors",
            ours / plain,
            "ratio <= 2",
            ours <= 2 * plain,
            machine(),
        )
    ]


SUITES = (flat_search,)
