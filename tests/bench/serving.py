"""The embedded model and the server, as a visitor meets them."""

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from retizero.model import ModelError, load_model
from retizero.model.export.folder import write_export
from retizero.model.export.formats import format_named
from retizero.model.export.sample import phantom_sample
from tests.bench.rows import Row, best_in_turn, machine, median_seconds
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


def exported() -> list[Row]:
    """The embedded model's image tower in the optional runtimes that are installed, against PyTorch."""
    source = load_model("retizero-mini", "cpu", exact=True)
    sample = phantom_sample(source)
    rows = []
    for name in ("onnx", "openvino"):
        try:
            format_named(name, to_write=True)
        except ModelError:
            continue
        with TemporaryDirectory() as folder:
            out = Path(folder) / name
            write_export(source, name, out, sample).require(name)
            other = load_model(out, "cpu")
            plain, fast = best_in_turn(
                partial(source.encode_images, sample.pixels[:1]),
                partial(other.encode_images, sample.pixels[:1]),
                repeats=15,
            )
            arithmetic = other.identity.arithmetic
        rows.append(
            Row(
                f"embedded model, one photograph, {arithmetic}",
                fast * 1000,
                "ms",
                "PyTorch",
                plain / fast,
                "",
                True,
                machine(),
            )
        )
    return rows


SUITES = (embedded_model, second_start, exported)
