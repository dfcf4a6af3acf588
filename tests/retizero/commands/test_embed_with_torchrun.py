"""``retizero embed`` shares its shards among processes, and a killed run continues to the same result."""

import hashlib
import json
import os
import socket
import subprocess
import sys

from tests.conftest import REPOSITORY
from tests.retizero.commands.test_retizero_commands import ask, photographs, run

__all__ = ["ask", "photographs", "run"]  # fixtures


def torchrun(*arguments, **environment):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = REPOSITORY / "tests/retizero/commands/colour_embedding.py"
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-addr", "127.0.0.1", "--master-port", str(port), str(program)),
            *map(str, arguments),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )


def digests(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_two_processes_of_which_one_is_killed_write_what_one_process_writes(ask, photographs):
    (photographs / "8.png").write_bytes(b"nothing")
    manifest = ("embed", "--manifest", photographs / "manifest.csv", "--shard-size", 1)
    alone, shared = photographs / "alone", photographs / "shared"
    assert ask(*manifest, "--out", alone)["n"] == 8
    killed = torchrun(*manifest, "--out", shared, DIE_AT="3")
    assert killed.returncode != 0
    written = set(digests(shared))
    assert "vectors-00003.npy" in written  # the second shard of the second process
    assert "vectors-00005.npy" not in written  # the one in which it died
    done = torchrun(*manifest, "--out", shared, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] == 8  # one document, told by one process for both
    assert digests(shared) == digests(alone)
    assert (alone / "problems.csv").read_text().splitlines()[1].startswith("10,8.png")
