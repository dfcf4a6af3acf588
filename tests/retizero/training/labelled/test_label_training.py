"""Training on tiny synthetic activations: what is learned, from what, and which epoch is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from retizero.training.labelled import run
from retizero.training.labelled.examples import KeptViews, LabelExamples, collated, drawing_weights
from retizero.training.labelled.learner import Learner, depth_factors, heads_of
from retizero.training.labelled.loss import Aims, prototype_targets
from retizero.training.labelled.prompts import PromptFeatures
from retizero.training.labelled.recipe import StagedOptimiser
from retizero.training.running.state import RunState
from tests.retizero.training.labelled.tiny_labels import (
    LABELS,
    WIDTH,
    scored,
    tiny_problem,
    tiny_recipe,
    trained,
)


def test_training_lowers_the_loss_and_learns_the_labels(tmp_path):
    problem = tiny_problem()
    before = scored(problem)["top1"]
    history = trained(problem, tiny_recipe(tmp_path, optimiser={"head_learning_rate": 0.05}))
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["loss"] == pytest.approx(
        sum(history[-1][each] for each in ("clip", "prototype", "text"))
    )
    assert before < 0.9 < history[-1]["top1"]
    assert scored(problem)["score"] == max(row["score"] for row in history)


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not(tmp_path):
    ends = []
    for seed in (1, 1, 2):
        problem = tiny_problem()
        trained(problem, tiny_recipe(tmp_path, seed=seed))
        ends.append(problem.learner.text_projection.weight.detach().clone())
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_a_label_without_photographs_is_no_wrong_answer(tmp_path):
    recipe = tiny_recipe(tmp_path, keep="last", loss={"clip": 0, "text": 0, "smoothing": 0})
    further = torch.from_numpy(np.random.default_rng(4).normal(size=(2, WIDTH)).astype(np.float32))
    ends = []
    for unseen in (0, 1):
        problem = tiny_problem()
        photographs, prompts = problem.photographs, problem.prompts
        if unseen:
            photographs = replace(photographs, labels=np.pad(photographs.labels, ((0, 0), (0, 1))))
            prompts = PromptFeatures(
                torch.cat([prompts.features, further]), torch.cat([prompts.owner, torch.tensor([LABELS] * 2)])
            )
        problem = replace(problem, photographs=photographs, prompts=prompts)
        trained(problem, recipe)
        ends.append(problem.learner.text_projection.weight.detach())
    torch.testing.assert_close(ends[0], ends[1])


@pytest.mark.parametrize(("keep", "epoch"), [("best", 1), ("last", 5)])
def test_the_best_epoch_is_kept_or_the_last(tmp_path, monkeypatch, keep, epoch):
    problem, seen = tiny_problem(), []
    scores = iter([0.1, 0.9, 0.2, 0.3, 0.1, 0.0])

    def score():
        seen.append(problem.learner.text_projection.weight.detach().clone())
        return {"score": next(scores)}

    monkeypatch.setattr(run, "validation", lambda *_: score)
    trained(problem, tiny_recipe(tmp_path, keep=keep))
    assert torch.equal(problem.learner.text_projection.weight.detach(), seen[epoch])


def test_a_run_ends_when_no_epoch_is_better_for_long_enough(tmp_path, monkeypatch):
    scores = iter([0.1, 0.9, 0.2, 0.3, 1.0, 1.0])
    monkeypatch.setattr(run, "validation", lambda *_: lambda: {"score": next(scores)})
    history = trained(tiny_problem(), tiny_recipe(tmp_path, patience=2))
    assert [row["score"] for row in history] == [0.1, 0.9, 0.2, 0.3]


def test_terms_can_be_added_and_left_out(tmp_path):
    recipe = tiny_recipe(tmp_path, loss={"evidential": 0.1, "siglip": 0.2, "clip": 0}, picture={"mixup": 0.2})
    history = trained(tiny_problem(), recipe)
    assert all(np.isfinite(list(row.values())).all() for row in history)
    assert {"evidential", "siglip", "prototype", "text"} <= set(history[0])
    assert "clip" not in history[0]


def test_targets_share_between_primary_and_further_labels():
    labels = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
    targets = prototype_targets(labels, torch.tensor([0, 1]), smoothing=0.2, secondary=0.5)
    assert targets[0].tolist() == pytest.approx([0.85, 0.05, 0.05, 0.05])
    assert targets[1].tolist() == pytest.approx([0.25, 0.45, 0.05, 0.25])


def test_what_photographs_show_is_blended_with_the_row_before_in_the_same_share():
    aims = Aims(torch.eye(4), torch.full((4, 4), 0.25)).blended(0.7)
    torch.testing.assert_close(aims.labels[0], torch.tensor([0.7, 0.0, 0.0, 0.3]))
    torch.testing.assert_close(aims.target.sum(dim=1), torch.ones(4))


def test_captions_speak_of_a_label_of_the_photograph_mostly_of_its_primary_one():
    labels = np.array([[1, 0, 0], [1, 1, 0]], np.float32)
    owner = np.array([0, 0, 1, 2, 2])
    views = KeptViews(np.zeros((2, 1, 1, 1, 1), np.float16))
    examples = LabelExamples(views, labels, np.array([0, 1]), owner, seed=0)
    batch = collated([examples[1, at, at % 2] for at in range(2000)])
    assert (batch.rows == torch.arange(2000) % 2).all()
    assert (owner[batch.captions.numpy()] == batch.spoken.numpy()).all()
    assert (batch.spoken[::2] == 0).all()
    # a further draw among both labels in three of ten
    assert (batch.spoken[1::2] == 1).float().mean() == pytest.approx(0.85, abs=0.03)


def test_rare_labels_are_weighed_by_the_power_of_their_count():
    weights = drawing_weights(np.repeat([0, 1], [900, 100]), 0.5)
    assert weights[-1] / weights[0] == pytest.approx(3)  # 900 ** 0.5 : 100 ** 0.5


def test_earlier_stages_learn_more_slowly(tmp_path):
    back = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 2))
    learner = Learner(back, nn.Linear(2, 2), nn.Parameter(torch.tensor(1.0)))
    rules = {"learning_rate": 1.0, "head_learning_rate": 5.0, "layer_decay": 0.5}
    recipe = tiny_recipe(tmp_path, optimiser=rules)
    factors = depth_factors(learner, StagedOptimiser(**rules))
    state = RunState(learner, recipe, heads_of(learner), 1, "", "cpu", factors)
    rates = {id(p): group["lr"] for group in state.optimiser.param_groups for p in group["params"]}
    assert [rates[id(back[index].weight)] for index in (0, 2, 3)] == [0.5, 1.0, 5.0]
    assert rates[id(learner.logit_scale)] == 5.0


def test_the_scale_of_the_logits_stays_within_its_bounds(tmp_path):
    problem = tiny_problem()
    with torch.no_grad():
        problem.learner.logit_scale.fill_(9.0)
    trained(problem, tiny_recipe(tmp_path, epochs=1, optimiser={"average": None}))
    assert 95 < problem.learner.logit_scale.exp().item() <= 100.001
