"""Files of the published size: how long converting and loading take, and how much memory at most."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from retizero.model.release_checkpoint import release_name
from retizero.model.retizero.config import RetiZeroConfig
from retizero.model.retizero.network import RetiZero
from tests.bench.rows import Row, machine

MOST_COPIES = 2.5  # of the weights in memory: those in the file, which are mapped, and those of the model
_CONVERT = "from retizero.cli import main; raise SystemExit(main(['models', 'convert', {!r}, '--out', {!r}]))"
_LOAD = "from retizero.model import load_model; load_model({!r}, 'cpu')"


def convert_and_load() -> list[Row]:
    """``retizero models convert`` of a 1.65 GB file, and loading what it wrote."""
    with TemporaryDirectory() as folder:
        checkpoint, out = Path(folder) / "RetiZero.pth", Path(folder) / "converted"
        torch.manual_seed(0)
        network = RetiZero(RetiZeroConfig())
        torch.save({release_name(name): each for name, each in network.state_dict().items()}, checkpoint)
        del network
        size = checkpoint.stat().st_size
        return [
            _run("convert RetiZero.pth to a folder", _CONVERT.format(str(checkpoint), str(out)), size),
            _run("load the converted folder, LoRA folded", _LOAD.format(str(out)), size),
        ]


def _run(name: str, program: str, size: int) -> Row:
    """Run a program of its own and read its peak memory."""
    watched = (
        "import atexit, json, resource, sys\n"
        "atexit.register(lambda: print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss), "
        "file=sys.stderr))\n" + program
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", watched],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    seconds = time.perf_counter() - started
    copies = json.loads(done.stderr.strip().splitlines()[-1]) * 1024 / size
    return Row(
        name, seconds, "s", f"peak memory in sizes of the file, {size / 1e9:.2f} GB", copies,
        f"<= {MOST_COPIES:g} x", copies <= MOST_COPIES, machine(),
    )  # fmt: skip


SUITES = (convert_and_load,)
