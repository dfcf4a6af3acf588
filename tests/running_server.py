"""Start ``app.py`` itself on a free port, once for all tests that need a running server."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
START_LIMIT = 240  # seconds; the first start renders the gallery


@dataclass(frozen=True)
class RunningServer:
    url: str
    data: Path
    log: Path

    def password(self, username: str) -> str:
        accounts = (self.data / "demo-accounts.txt").read_text()
        return re.search(rf"^\S+\s+{username}\s+(\S+)$", accounts, re.MULTILINE)[1]


@contextmanager
def running_server(data: Path, *options: str) -> Iterator[RunningServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = data / "server.log"
    with log.open("wb") as out:
        command = [sys.executable, "app.py", "--port", str(port), "--data", str(data), *options]
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=out, stderr=subprocess.STDOUT)
        running = RunningServer(f"http://127.0.0.1:{port}", data, log)
        try:
            _wait_until_ready(running, process)
            yield running
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _wait_until_ready(running: RunningServer, process: subprocess.Popen) -> None:
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit and process.poll() is None:
        try:
            with urllib.request.urlopen(running.url + "/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)  # waiting for a process to open its port, not for a result
    raise RuntimeError("the server did not start:\n" + running.log.read_text()[-3000:])
