"""A run on activations whose numbers are lost ends before anything of it is judged, saved or written."""

import math

import numpy as np
import pytest
import torch

from retizero.training.diverged import DivergedError
from retizero.training.loop import train
from retizero.training.pretrain import validation
from tests.retizero.training.test_loop import LABELS, tiny_config, tiny_learner, tiny_problem


def run(checkpoint=None, resume=False, evaluate=lambda _: {"score": 0.5}, report=lambda _: None, **changes):
    """Three steps an epoch; one whose rate is too high ends with weights beyond half precision at once."""
    images, prompts = tiny_problem()
    config = tiny_config(warmup=0.0, **changes)
    return train(tiny_learner(), images, prompts, config, evaluate, report, checkpoint, resume)


@pytest.mark.parametrize("rate", [1e8, 1e20, 1e30])
@pytest.mark.parametrize("keep", ["best", "last"])
def test_it_is_not_judged(rate, keep):
    judged = []
    with pytest.raises(
        DivergedError, match=r"no longer (a number|numbers) in epoch 1; lower the learning rate"
    ):
        run(evaluate=judged.append, head_learning_rate=rate, keep=keep)
    assert not judged


def test_a_lost_loss_is_named():
    images, prompts = tiny_problem()
    images.views.activations[:] = math.nan
    with pytest.raises(DivergedError, match=r"^The loss is no longer a number in epoch 1"):
        train(tiny_learner(), images, prompts, tiny_config(), lambda _: {"score": 0.5}, lambda _: None)


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(DivergedError, match=r"^The score is no longer a number in epoch 1"):
        run(evaluate=lambda _: {"score": math.nan})


def test_no_checkpoint_is_saved_of_it(tmp_path):
    with pytest.raises(DivergedError):
        run(tmp_path / "run.pt", head_learning_rate=1e20, checkpoint_every=1)
    assert not list(tmp_path.iterdir())


def test_the_checkpoint_before_stays(tmp_path):
    images, prompts = tiny_problem()
    checkpoint = tmp_path / "run.pt"

    def lose_the_photographs(_):
        images.views.activations[:] = math.nan
        return {"score": 0.5}

    config = tiny_config(checkpoint_every=1)
    with pytest.raises(DivergedError, match="in epoch 2"):
        train(tiny_learner(), images, prompts, config, lose_the_photographs, lambda _: None, checkpoint)
    state = torch.load(checkpoint, weights_only=True)
    assert (state["epoch"], state["step"]) == (2, 0)
    for kept in ("learner", "average"):
        assert all(bool(weight.isfinite().all()) for weight in state[kept].values())


def test_a_checkpoint_that_holds_lost_weights_is_not_finished(tmp_path):
    checkpoint = tmp_path / "run.pt"
    run(checkpoint)
    state = torch.load(checkpoint, weights_only=True)
    state["best"][1]["logit_scale"].fill_(math.nan)
    torch.save(state, checkpoint)
    with pytest.raises(DivergedError, match=r"^The weights are no longer numbers"):
        run(checkpoint, resume=True)


@pytest.mark.parametrize("value", [math.nan, 1e30])
def test_embeddings_without_unit_norm_have_no_score(value):
    images, prompts = tiny_problem()
    learner = tiny_learner()
    evaluate = validation(images.views.activations[:, :1], images.primary, prompts, LABELS)
    assert all(0 <= score <= 1 for score in evaluate(learner).values())
    with torch.no_grad():
        learner.text_projection.weight.fill_(value)
    assert np.isnan(list(evaluate(learner).values())).all()
