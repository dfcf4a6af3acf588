"""Search in galleries.

The large ones are drawn and built at the first run, which takes minutes, and kept under ``build/``; delete
``build/bench-gallery`` to build them again.
"""

import json
import subprocess
import sys
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


TARGETS = {"fp16": (80.0, 0.998), "ivf": (2.0, 0.999), "hnsw": (1.0, 0.995)}  # milliseconds, recall@20


def large_galleries() -> list[Row]:
    """Galleries of the size of RetiZero's training set, through ``Gallery`` as a server uses it."""
    rows = []
    for kind, (most_ms, least_recall) in TARGETS.items():
        command = [sys.executable, "-m", "tests.bench.large_gallery_measures", kind]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        name = f"{kind}, 341,896 x 512"
        for what, value, unit, target, passed in (
            ("one query, p50", found["p50"] * 1000, "ms", f"< {most_ms:g} ms", found["p50"] * 1000 < most_ms),
            (
                "recall@20",
                found["recall"] * 100,
                "%",
                f">= {least_recall:.1%}",
                found["recall"] >= least_recall,
            ),
            ("opened", found["opened"], "s", "< 1 s", found["opened"] < 1),
            ("1,000 added", found["added"], "s", "< 1 s", found["added"] < 1),
            ("memory / vectors", found["memory"], "x", "<= 1.2 x", found["memory"] <= 1.2),
        ):
            rows.append(Row(f"{name}, {what}", value, unit, "", None, target, passed, machine()))
        if found["built"] is not None:
            rows.append(Row(f"{name}, built", found["built"], "s", "", None, "", True, machine()))
    return rows


SUITES = (flat_search, large_galleries)
