"""A run on labelled photographs whose numbers are lost ends before anything of it is judged, or written."""

import math

import numpy as np
import pytest
import torch

from retizero.training.labelled import run
from retizero.training.running.diverged import DivergedError
from tests.retizero.training.labelled.tiny_labels import scored, tiny_problem, tiny_recipe, trained


@pytest.mark.parametrize("rate", [1e8, 1e20, 1e30])
@pytest.mark.parametrize("keep", ["best", "last"])
def test_weights_beyond_half_precision_are_not_kept(tmp_path, rate, keep):
    """Three steps an epoch; with such a rate the first one ends there."""
    recipe = tiny_recipe(
        tmp_path, keep=keep, optimiser={"head_learning_rate": rate, "warmup_epochs": 0.0}, epochs=2
    )
    with pytest.raises(
        DivergedError, match=r"no longer (a number|numbers) in epoch [12]; lower the learning rate"
    ):
        trained(tiny_problem(), recipe)


def test_a_lost_loss_is_named_and_no_checkpoint_is_saved_of_it(tmp_path):
    problem = tiny_problem()
    problem.photographs.views.activations[:] = math.nan
    with pytest.raises(DivergedError, match=r"^The \w+ is no longer a number in epoch 1"):
        trained(problem, tiny_recipe(tmp_path, checkpoint_every=1))
    assert not list(tmp_path.iterdir())


def test_a_score_that_is_no_number_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "validation", lambda *_: lambda: {"score": math.nan})
    with pytest.raises(DivergedError, match=r"^The score is no longer a number in epoch 1"):
        trained(tiny_problem(), tiny_recipe(tmp_path))


def test_the_checkpoint_before_stays(tmp_path):
    problem = tiny_problem()

    def lose_the_photographs(line):
        if line.startswith("epoch 1/"):
            problem.photographs.views.activations[:] = math.nan

    with pytest.raises(DivergedError, match="in epoch 2"):
        trained(problem, tiny_recipe(tmp_path, checkpoint_every=1), lose_the_photographs)
    state = torch.load(tmp_path / "tiny.pt", weights_only=True)
    assert (state["epoch"], state["step"]) == (2, 0)
    for kept in ("weights", "average"):
        assert all(bool(weight.isfinite().all()) for weight in state[kept].values())


@pytest.mark.parametrize("value", [math.nan, 1e30])
def test_embeddings_without_unit_norm_have_no_score(value):
    problem = tiny_problem()
    assert all(0 <= score <= 1 for score in scored(problem).values())
    with torch.no_grad():
        problem.learner.text_projection.weight.fill_(value)
    assert np.isnan(list(scored(problem).values())).all()
