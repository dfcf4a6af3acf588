"""``make bench``: measure what the README and the issues claim, write ``build/bench.json``, print a table.

Timings are of this machine at this moment; ratios compare two things measured in the same run.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from tests.running_server import running_server

OUT = Path("build/bench.json")


@dataclass(frozen=True)
class Row:
    """One measured number, as ``contracts.md`` writes it."""

    name: str
    value: float
    unit: str
    compared_with: str
    ratio: float | None
    target: str
    passed: bool
    machine: str


def machine() -> str:
    """Describe the machine in a few words."""
    cores = f"{os.cpu_count()} cores"
    return f"{platform.system()} {platform.machine()}, {cores}, Python {platform.python_version()}"


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median time of an action after one warm-up."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def embedded_model() -> list[Row]:
    """A warm answer of the embedded model for a 2000 x 1500 photograph, file to ranking."""
    from io import BytesIO

    from PIL import Image

    from retizero import Engine, phantom
    from retizero.data import read_image
    from retizero.knowledge import label_set

    picture = Image.fromarray(phantom.render("drusen", seed=1)).resize((1500, 1500))
    canvas = Image.new("RGB", (2000, 1500))
    canvas.paste(picture, (250, 0))
    file = BytesIO()
    canvas.save(file, "JPEG", quality=92)
    engine, labels = Engine.load("retizero-mini", "cpu"), label_set("fundus42")
    whole = median_seconds(lambda: engine.classify(read_image(file.getvalue()), labels), 15)
    read = median_seconds(lambda: read_image(file.getvalue()), 15)
    return [
        Row(
            "embedded model answers a 2000x1500 JPEG, warm", whole * 1000, "ms", "reading the file alone",
            whole / read, "< 250 ms", whole < 0.25, machine(),
        )
    ]  # fmt: skip


def lookup() -> list[Row]:
    """One diagnosis looked up by name, synonym, misspelling and in Chinese."""
    from retizero.knowledge import load_catalogue

    catalogue = load_catalogue()
    typed = [
        "CRVO",
        "central retinal vien occlusion",
        "papilloedema",
        "视网膜中央静脉阻塞",
        "florbular retinosis",
    ]
    seconds = median_seconds(lambda: [catalogue.resolve(text) for text in typed], 50) / len(typed)
    name = "catalogue lookup, mean of five kinds"
    return [Row(name, seconds * 1000, "ms", "", None, "< 2 ms", seconds < 0.002, machine())]


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


def second_start() -> list[Row]:
    """``app.py`` from nothing to a healthy server, with its data folder already made."""
    with TemporaryDirectory() as folder:
        data = Path(folder)
        started = time.perf_counter()
        with running_server(data):
            first = time.perf_counter() - started
        started = time.perf_counter()
        with running_server(data):
            second = time.perf_counter() - started
    return [
        Row(
            "second start of the server",
            second,
            "s",
            "first start",
            second / first,
            "< 15 s",
            second < 15,
            machine(),
        )
    ]


SUITES = (lookup, flat_search, embedded_model, second_start)


def main() -> int:
    """Run every suite; return 1 when a target was missed."""
    rows = [row for suite in tqdm(SUITES, desc="bench") for row in suite()]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    for row in rows:
        ratio = f"{row.ratio:.2f} x {row.compared_with}" if row.ratio is not None else ""
        verdict = "ok  " if row.passed else "MISS"
        print(f"{verdict} {row.name:<48} {row.value:>9.2f} {row.unit:<3} {row.target:<12} {ratio}")
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
