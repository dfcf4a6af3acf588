"""Files of the published size: how long converting and loading take, and how much memory at most."""

from __future__ import annotations

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
_CONVERT = "raise SystemExit(main(['models', 'convert', {!r}, '--out', {!r}]))"
_LOAD = "load_model({!r}, 'cpu')"
_WATCHED = """
import sys
from pathlib import Path
from retizero.cli import main
from retizero.model import load_model
import retizero.model.convert, retizero.model.retizero.folder

def peak():
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))

libraries = peak()
try:
    {program}
finally:
    print(peak() - libraries, file=sys.stderr)
"""


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
    """Run a program of its own and read its peak memory, less what the libraries take (PyTorch: about 1 GB).

    VmHWM is that of the program alone; getrusage's maximum also holds the process that started it.
    """
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED.format(program=program)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    seconds = time.perf_counter() - started
    copies = int(done.stderr.strip().splitlines()[-1]) * 1024 / size
    against = f"peak memory beyond the libraries, in sizes of the file, {size / 1e9:.2f} GB"
    return Row(
        name, seconds, "s", against, copies,
        f"<= {MOST_COPIES:g} x", copies <= MOST_COPIES, machine(),
    )  # fmt: skip


SUITES = (convert_and_load,)
