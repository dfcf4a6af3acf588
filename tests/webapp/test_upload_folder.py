"""Uploads lie in a folder of their server's own, which does not outlive it by more than the next start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
