"""A run on labelled photographs that is killed and resumed ends as one that was not."""

import numpy as np
import pytest
import torch

from retizero.data import Preprocess
from retizero.training.augment import Augmentation
from retizero.training.labelled.examples import FreshViews
from retizero.training.running.checkpoint import CheckpointError
from tests.retizero.training.labelled.tiny_labels import PHOTOGRAPHS, tiny_problem, tiny_recipe, trained


class KilledError(Exception):
    """Stands for a kill that leaves nothing but the checkpoint."""


def kill_at(words):
    def hear(line):
        if words in line:
            raise KilledError

    return hear


def doubled(pixels):
    """A frozen front: three channels become six."""
    return torch.cat([pixels, -pixels], dim=1)


def fresh_views():
    squares = np.random.default_rng(0).integers(0, 255, (PHOTOGRAPHS, 12, 12, 3), dtype=np.uint8)
    return FreshViews(squares, Augmentation(), Preprocess(8))


def finished(folder, fresh=False, hear=lambda _: None, resume=False, **changes):
    problem = tiny_problem(fresh_views(), doubled) if fresh else tiny_problem()
    recipe = tiny_recipe(folder, checkpoint_every=2, picture={"mixup": 0.3}, **changes)
    history = trained(problem, recipe, hear, resume)
    return problem.learner.state_dict(), history


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("words", ["epoch 1 step 3/", "epoch 2/6", "epoch 3 step 1/", "epoch 6 step 3/"])
def test_a_killed_and_resumed_run_ends_with_identical_weights(tmp_path, words, fresh):
    whole, history = finished(tmp_path / "whole", fresh)
    with pytest.raises(KilledError):
        finished(tmp_path / "killed", fresh, kill_at(words))
    resumed, resumed_history = finished(tmp_path / "killed", fresh, resume=True)
    assert resumed_history == history
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_finished_run_resumes_to_the_same_weights(tmp_path):
    whole, _ = finished(tmp_path)
    again, _ = finished(tmp_path, resume=True)
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_other_settings_do_not_resume_a_run(tmp_path):
    finished(tmp_path)
    with pytest.raises(CheckpointError, match="other settings"):
        finished(tmp_path, resume=True, optimiser={"weight_decay": 0.5})


def test_starting_anew_puts_the_checkpoint_of_an_earlier_run_aside_and_says_where(tmp_path):
    finished(tmp_path)
    told = []
    finished(tmp_path, hear=told.append)
    assert told[0] == f"The checkpoint of an earlier run is now {tmp_path / 'tiny.old.pt'}."
    assert (tmp_path / "tiny.old.pt").exists()
