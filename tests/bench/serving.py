"""The embedded model and the server, as a visitor meets them."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import retizero_full_size
from tests.bench.rows import Row, machine, median_seconds
from tests.running_server import running_server


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


def full_size() -> list[Row]:
    """RetiZero at its published size against the release's way of answering."""
    return [Row(**row) for row in retizero_full_size.rows(machine())]


SUITES = (embedded_model, second_start, full_size)
