"""A run that is killed and resumed ends as one that was not."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from retizero.data import Preprocess
from retizero.training.augment import Augmentation
from retizero.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from retizero.training.clock import Clock
from retizero.training.config import PretrainConfig
from retizero.training.learner import move_average
from retizero.training.loop import draw_order, drawing_weights, train
from retizero.training.views import FreshViews
from tests.retizero.training.test_loop import accuracy_of, tiny_config, tiny_learner, tiny_problem


class KilledError(Exception):
    """Stands for a kill that leaves nothing but the checkpoint."""


def finished(checkpoint=None, resume=False, report=lambda _: None, **changes):
    images, prompts = tiny_problem()
    learner = tiny_learner()
    config = tiny_config(checkpoint_every=2, **changes)
    history = train(
        learner, images, prompts, config, accuracy_of(images, prompts), report, checkpoint, resume
    )
    return learner.state_dict(), history


@pytest.mark.parametrize("lines", [1, 3, 4, 7])
def test_a_killed_and_resumed_run_ends_with_identical_weights(tmp_path, lines):
    whole, history = finished()
    told = []

    def kill(line):
        told.append(line)
        if len(told) == lines:
            raise KilledError

    checkpoint = tmp_path / "run.pt"
    with pytest.raises(KilledError):
        finished(checkpoint, report=kill)
    resumed, resumed_history = finished(checkpoint, resume=True)
    assert resumed_history == history
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_run_on_fresh_views_resumes_in_the_middle_of_an_epoch(tmp_path):
    def run(checkpoint=None, resume=False, report=lambda _: None):
        images, prompts = tiny_problem()
        learner = tiny_learner()
        images = replace(images, views=fresh_views(len(images.primary)))
        config = tiny_config(checkpoint_every=2, keep="last")
        train(learner, images, prompts, config, lambda _: {"score": 0.0}, report, checkpoint, resume)
        return learner.state_dict()

    def kill(line):
        if "epoch 2 step 2" in line:
            raise KilledError

    whole = run()
    with pytest.raises(KilledError):
        run(tmp_path / "run.pt", report=kill)
    resumed = run(tmp_path / "run.pt", resume=True)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


class SixChannels:
    """A frozen front that doubles the channels."""

    def activations(self, pixels):
        return torch.cat([pixels, -pixels], dim=1)


def fresh_views(count):
    squares = np.random.default_rng(0).integers(0, 255, (count, 12, 12, 3), dtype=np.uint8)
    return FreshViews(squares, Augmentation(), Preprocess(8), SixChannels(), 0)


def test_a_finished_run_resumes_to_the_same_weights(tmp_path):
    whole, _ = finished(tmp_path / "run.pt")
    again, _ = finished(tmp_path / "run.pt", resume=True)
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_other_settings_do_not_resume_a_run(tmp_path):
    finished(tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match="other settings"):
        finished(tmp_path / "run.pt", resume=True, weight_decay=0.5)


def test_resuming_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="start without --resume"):
        finished(tmp_path / "run.pt", resume=True)


def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"run": "a", "number": torch.zeros(3)})
    script = (
        "import os, signal, sys, torch\n"
        "from pathlib import Path\n"
        "from retizero.training import checkpoint\n"
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


def test_averaged_weights_follow_the_recurrence():
    average, learner = tiny_learner(), tiny_learner()
    start = average.text_projection.weight.detach().clone()
    with torch.no_grad():
        learner.text_projection.weight.add_(1)
    move_average(average, learner, 0.9)
    move_average(average, learner, 0.9)
    # 1 - 0.9 ** 2 of the way
    assert torch.allclose(average.text_projection.weight, start + 0.19, atol=1e-6)


def test_rare_labels_are_drawn_by_the_power_of_their_count():
    primary = np.repeat([0, 1], [900, 100])
    rng = np.random.default_rng(0)
    drawn = primary[draw_order(drawing_weights(primary, 0.5), 100, 200, rng)]
    # 900 ** 0.5 : 100 ** 0.5 = 3 : 1
    assert (drawn == 1).mean() == pytest.approx(0.25, abs=0.01)
    assert drawn.shape == (200, 100)


def test_earlier_stages_learn_more_slowly():
    from torch import nn

    from retizero.training.learner import Learner
    from retizero.training.schedule import parameter_groups

    back = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 2))
    learner = Learner(back, nn.Linear(2, 2), nn.Parameter(torch.tensor(1.0)))
    config = PretrainConfig(
        id="a", title="a", out="", learning_rate=1.0, head_learning_rate=5.0, layer_decay=0.5
    )
    rates = {id(p): group["lr"] for group in parameter_groups(learner, config) for p in group["params"]}
    assert [rates[id(back[index].weight)] for index in (0, 2, 3)] == [0.5, 1.0, 5.0]


def test_the_clock_counts_from_where_a_run_was_resumed():
    times = iter([0.0, 60.0])
    clock = Clock(steps=100, done=50, now=lambda: next(times))
    assert clock.left(60) == "about 4 min left"
