"""Uploads lie in a folder of their server's own, which does not outlive it by more than the next start."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn

from webapp.first_start import prepare
from webapp.server import build_server
from webapp.settings import Settings

ROOT = Path(__file__).parents[2]
SERVER = (
    "from webapp.upload_folder import UploadFolder\n"
    "folder = UploadFolder().path\n"
    "from gradio.utils import get_upload_folder\n"
    "assert get_upload_folder() == str(folder)\n"
    "(folder / 'photograph.png').touch()\n"
    "print(folder, flush=True)\n"
    "input()\n"
)


@pytest.fixture
def start(tmp_path):
    """Start a process that claims a folder and waits for a line; return it and the folder."""
    running = []

    def begin(**variables):
        environment = {k: v for k, v in os.environ.items() if k != "GRADIO_TEMP_DIR"}
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**environment, "TMPDIR": str(tmp_path), **variables},
            text=True,
        )
        running.append(process)
        return process, Path(process.stdout.readline().strip())

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def stop(process):
    process.communicate("\n", timeout=60)


def test_the_folder_is_private_and_gone_with_the_server(start, tmp_path):
    process, folder = start()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0
    stop(process)
    assert process.returncode == 0
    assert not list(tmp_path.glob("retizero-*"))


def test_what_a_killed_server_left_goes_at_the_next_start_and_a_living_ones_stays(start, tmp_path):
    living, its_folder = start()
    killed, left = start()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert (left / "photograph.png").exists()
    process, _ = start()
    assert not left.exists()
    assert (its_folder / "photograph.png").exists()
    stop(process)
    stop(living)
    assert not list(tmp_path.glob("retizero-*"))


def test_a_folder_that_was_named_is_taken_and_stays(start, tmp_path):
    (tmp_path / "mine").mkdir()
    process, folder = start(GRADIO_TEMP_DIR=str(tmp_path / "mine"))
    assert folder == tmp_path / "mine"
    stop(process)
    assert (folder / "photograph.png").exists()


@pytest.fixture
def hasty(server, tmp_path, monkeypatch):
    """Address of a server in this process that keeps uploads for a second."""
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    monkeypatch.setattr("webapp.pages.few_shot.KEPT", (1, 1))
    for folder in ("gallery", "examples"):
        shutil.copytree(server.data / folder, tmp_path / "data" / folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    rooms = prepare(Settings(data=tmp_path / "data", port=port, demo_study=False, _env_file=None))
    running = uvicorn.Server(uvicorn.Config(build_server(rooms), port=port, log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started and thread.is_alive():
        time.sleep(0.05)  # waiting for a port to open
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(20)


def test_an_upload_is_deleted_without_anybody_doing_anything(hasty, tmp_path):
    photograph = next((tmp_path / "data/examples").rglob("*.png"))
    answer = httpx.post(f"{hasty}/gradio_api/upload", files={"files": photograph.open("rb")}, timeout=60)
    kept = Path(answer.json()[0])
    assert kept.name == photograph.name
    assert "retizero-uploads-" in str(kept)
    limit = time.monotonic() + 30
    while kept.exists() and time.monotonic() < limit:
        time.sleep(0.2)
    assert not kept.exists()
