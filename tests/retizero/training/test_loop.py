"""The train loop on tiny synthetic activations."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from retizero.training.config import LossWeights, PretrainConfig
from retizero.training.learner import Learner
from retizero.training.loop import (
    PromptFeatures,
    TrainingImages,
    prototype_targets,
    train,
)
from retizero.training.schedule import warmup_then_cosine
from retizero.training.views import KeptViews

LABELS, PHOTOGRAPHS, CHANNELS, WIDTH = 3, 48, 6, 8


def tiny_problem():
    """Photographs whose label is the loudest channel, and two prompts per label."""
    rng = np.random.default_rng(3)
    primary = rng.integers(0, LABELS, PHOTOGRAPHS)
    activations = rng.normal(0, 0.3, (PHOTOGRAPHS, 2, CHANNELS, 4, 4)).astype(np.float16)
    activations[np.arange(PHOTOGRAPHS), :, primary] += 1
    images = TrainingImages(
        KeptViews(activations), np.eye(LABELS, dtype=np.float32)[primary], primary, primary % 2
    )
    features = torch.from_numpy(rng.normal(size=(2 * LABELS, WIDTH)).astype(np.float32))
    return images, PromptFeatures(features, torch.arange(LABELS).repeat_interleave(2))


def tiny_learner():
    torch.manual_seed(0)
    back = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 4))
    return Learner(back, nn.Linear(WIDTH, 4, bias=False), nn.Parameter(torch.tensor(2.0)))


def tiny_config(**changes):
    return PretrainConfig(id="tiny", title="tiny", out="", epochs=6, batch=16, ema=0.5, **changes)


def accuracy_of(images, prompts):
    def evaluate(learner):
        with torch.no_grad():
            found = learner.images(torch.from_numpy(images.views.activations[:, 0].astype(np.float32)))
            right = (found @ prompts.prototypes(learner, LABELS).T).argmax(1).numpy() == images.primary
        return {"score": float(right.mean())}

    return evaluate


def test_training_lowers_the_loss_and_learns_the_labels():
    images, prompts = tiny_problem()
    history = train(
        tiny_learner(),
        images,
        prompts,
        tiny_config(head_learning_rate=0.05),
        accuracy_of(images, prompts),
        lambda _: None,
    )
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["score"] > 0.9


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not():
    images, prompts = tiny_problem()
    ends = []
    for seed in (1, 1, 2):
        learner = tiny_learner()
        train(learner, images, prompts, tiny_config(seed=seed), accuracy_of(images, prompts), lambda _: None)
        ends.append(learner.text_projection.weight.detach().clone())
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_a_label_without_photographs_is_no_wrong_answer():
    images, prompts = tiny_problem()
    config = tiny_config(loss=LossWeights(clip=0, text=0, smoothing=0))
    unseen = replace(images, labels=np.pad(images.labels, ((0, 0), (0, 1))))
    further = torch.from_numpy(np.random.default_rng(4).normal(size=(2, WIDTH)).astype(np.float32))
    more = PromptFeatures(
        torch.cat([prompts.features, further]), torch.cat([prompts.owner, torch.tensor([LABELS] * 2)])
    )
    ends = []
    for learned, spoken in ((images, prompts), (unseen, more)):
        learner = tiny_learner()
        train(learner, learned, spoken, config, accuracy_of(images, prompts), lambda _: None)
        ends.append(learner.text_projection.weight.detach())
    torch.testing.assert_close(ends[0], ends[1])


@pytest.mark.parametrize(("keep", "epoch"), [("best", 1), ("last", 5)])
def test_the_best_epoch_is_kept_or_the_last(keep, epoch):
    images, prompts = tiny_problem()
    scores = iter([0.1, 0.9, 0.2, 0.3, 0.1, 0.0])
    seen = []

    def evaluate(learner):
        seen.append(learner.text_projection.weight.detach().clone())
        return {"score": next(scores)}

    learner = tiny_learner()
    train(learner, images, prompts, tiny_config(keep=keep), evaluate, lambda _: None)
    assert torch.equal(learner.text_projection.weight.detach(), seen[epoch])


def test_the_evidential_term_can_be_added():
    images, prompts = tiny_problem()
    config = tiny_config(loss=LossWeights(evidential=0.1))
    history = train(tiny_learner(), images, prompts, config, accuracy_of(images, prompts), lambda _: None)
    assert all(np.isfinite(row["loss"]) for row in history)


def test_targets_share_between_primary_and_further_labels():
    labels = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
    targets = prototype_targets(labels, torch.tensor([0, 1]), smoothing=0.2, secondary=0.5)
    assert targets[0].tolist() == pytest.approx([0.85, 0.05, 0.05, 0.05])
    assert targets[1].tolist() == pytest.approx([0.25, 0.45, 0.05, 0.25])


def test_the_schedule_rises_and_ends_near_zero():
    factor = warmup_then_cosine(100, 0.1)
    assert factor(0) == pytest.approx(0.1)
    assert factor(9) == factor(10) == pytest.approx(1.0)
    assert factor(99) < 0.001
