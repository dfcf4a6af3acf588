"""Checkpoints and results as files: what is in their way is told, and nothing of earlier runs is lost."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from retizero.training.errors import ConfigError
from retizero.training.places import ResultError, require_places, result_at
from retizero.training.running.checkpoint import (
    CheckpointError,
    load_checkpoint,
    put_aside,
    save_checkpoint,
    sole_run,
)


def test_a_full_disk_keeps_the_checkpoint_before_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"run": "a", "step": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left.*the one before is whole"):
        save_checkpoint(path, {"run": "a", "step": 2})
    assert load_checkpoint(path, "a")["step"] == 1
    assert [each.name for each in tmp_path.iterdir()] == ["run.pt"]


def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"run": "a", "number": torch.zeros(3)})
    script = (
        "import os, signal, sys, torch\n"
        "from pathlib import Path\n"
        "from retizero.training.running import checkpoint\n"
        "def dies(state, file):\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "torch.save = dies\n"
        "checkpoint.save_checkpoint(Path(sys.argv[1]), {'run': 'b'})\n"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=root, env=dict(os.environ), check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert load_checkpoint(path, "a")["number"].tolist() == [0, 0, 0]


def test_a_file_that_holds_no_run_is_no_checkpoint(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match="without --resume"):
        load_checkpoint(tmp_path / "run.pt", "a")


def test_every_earlier_run_is_put_aside_under_a_name_of_its_own(tmp_path):
    path = tmp_path / "run.pt"
    names = []
    for step in range(3):
        save_checkpoint(path, {"run": "a", "step": step})
        names.append(put_aside(path))
    assert [name.name for name in names] == ["run.old.pt", "run.old2.pt", "run.old3.pt"]
    assert [load_checkpoint(name, "a")["step"] for name in names] == [0, 1, 2]
    assert put_aside(path) is None


def hold(path, held, done):
    with sole_run(path):
        held.set()
        done.wait(60)


def test_one_checkpoint_belongs_to_one_run_until_its_process_ends(tmp_path):
    path = tmp_path / "run.pt"
    spawning = multiprocessing.get_context("spawn")
    held, done = spawning.Event(), spawning.Event()
    other = spawning.Process(target=hold, args=(path, held, done))
    other.start()
    assert held.wait(60)
    with pytest.raises(CheckpointError, match="Another run"), sole_run(path):
        pass
    other.kill()
    other.join()
    with sole_run(path):
        pass


def test_places_are_looked_at_before_a_run(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    require_places(tmp_path / "new/model", tmp_path / "checkpoints")
    for out, folder, told in (
        (file, True, "is a file"),
        (tmp_path, False, "is a folder"),
        (tmp_path.__class__("."), True, "of its own"),
        (file / "model", True, "cannot be written to"),
    ):
        with pytest.raises(ConfigError, match=told):
            require_places(out, folder=folder)
    with pytest.raises(ConfigError, match="cannot be written to"):
        require_places(tmp_path / "model", file / "checkpoints")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("No space left on device")]
)
def test_a_result_that_cannot_be_written_is_told(tmp_path, error):
    with pytest.raises(ResultError, match=r"No space left on device.*--resume"), result_at(tmp_path):
        raise error
