"""A real server on a free port, started once by ``app.py`` itself, and a real browser."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.find_chromium import FLAGS, installed

REPOSITORY = Path(__file__).resolve().parents[2]
SCREENSHOTS = REPOSITORY / "build" / "screenshots"
START_LIMIT = 240  # seconds; the first start renders the gallery


@dataclass(frozen=True)
class RunningServer:
    url: str
    data: Path
    log: Path

    def password(self, username: str) -> str:
        accounts = (self.data / "demo-accounts.txt").read_text()
        return re.search(rf"^\S+\s+{username}\s+(\S+)$", accounts, re.MULTILINE)[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = data / "server.log"
    with log.open("wb") as out:
        command = [sys.executable, "app.py", "--port", str(port), "--data", str(data)]
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
    pytest.fail("the server did not start:\n" + running.log.read_text()[-3000:])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=installed(), args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    opened.set_default_timeout(30_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
