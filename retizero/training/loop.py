"""The train loop: image stages and two projections learn to meet, prompts stand for labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from retizero.training.checkpoint import load_checkpoint, put_aside, run_fingerprint, save_checkpoint
from retizero.training.clock import Clock
from retizero.training.config import PretrainConfig
from retizero.training.diverged import require_numbers
from retizero.training.learner import Learner, move_average
from retizero.training.losses import clip_loss, evidential_loss, siglip_loss, soft_cross_entropy
from retizero.training.run_state import RunState, as_written
from retizero.training.views import Views

MAX_LOGIT_SCALE = math.log(100)
SIGLIP_BIAS = -10.0  # of the paper's start (Zhai et al. 2023)


@dataclass(frozen=True)
class TrainingImages:
    """Photographs to learn from.

    Attributes:
        views: Where each photograph's views come from.
        labels: (N, K) 0/1, every label of a photograph.
        primary: (N,) index of the primary label.
        source: (N,) index of where a photograph comes from.
    """

    views: Views
    labels: NDArray[np.float32]
    primary: NDArray[np.int64]
    source: NDArray[np.int64]

    @cached_property
    def occurring(self) -> Tensor:
        """Columns of the labels that at least one photograph shows.

        A label without photographs is no wrong answer to learn: that would push a disease never seen away
        from every photograph.
        """
        return torch.from_numpy(np.flatnonzero(self.labels.any(axis=0)))


@dataclass(frozen=True)
class PromptFeatures:
    """Text features of every prompt.

    Attributes:
        features: (P, F) float32.
        owner: (P,) index of the disease a prompt speaks of; the first K are the training labels.
    """

    features: Tensor
    owner: Tensor

    def prototypes(self, learner: Learner, count: int) -> Tensor:
        """Mean embedding of each of the first ``count`` diseases' prompts, (count, D), unit norm."""
        mine = self.owner < count
        embedded = learner.texts(self.features[mine])
        sums = embedded.new_zeros(count, embedded.shape[1]).index_add(0, self.owner[mine], embedded)
        return normalize(sums, dim=-1)


Evaluate = Callable[[Learner], dict[str, float]]


def train(
    learner: Learner,
    images: TrainingImages,
    prompts: PromptFeatures,
    config: PretrainConfig,
    evaluate: Evaluate,
    report: Callable[[str], None] = print,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> list[dict[str, float]]:
    """Train in place and leave the averaged weights of the best epoch, or of the last, in ``learner``.

    Args:
        learner: Changed in place.
        images: What to learn from.
        prompts: Prompts of the training labels first, then of the rest of the catalogue.
        config: Settings; ``config.seed`` decides every random draw.
        evaluate: Scores on validation data; ``score`` decides which epoch is kept.
        report: Receives one line per checkpoint, with the time left, and one per epoch.
        checkpoint: File that the run is saved in, every ``config.checkpoint_every`` steps and each epoch; one
            that is there is put aside, unless it is gone on from.
        resume: Go on from that file, bit for bit, on a machine of the same kind and as many threads.

    Returns:
        One row of losses and scores per epoch.

    Raises:
        CheckpointError: There is nothing to resume from, another run made it, or none can be written.
        DivergedError: Losses or weights are no longer numbers.
    """
    steps = max(1, len(images.primary) // config.batch)
    run = RunState(learner, config, steps, run_fingerprint(config, images.labels))
    if checkpoint is not None:
        _begin(run, checkpoint, resume, report)
    clock = Clock(config.epochs * steps, (run.epoch - 1) * steps + run.step)
    while run.epoch <= config.epochs:
        if run.step == 0:
            weight = drawing_weights(images.primary, config.balance)
            weight *= drawing_weights(images.source, config.source_balance)
            run.order = draw_order(weight, config.batch, steps, run.rng)
        learner.train()
        while run.step < steps:
            views = images.views.batch(run.order, run.epoch, run.step, run.rng)
            loss = _step_loss(learner, views, images, prompts, run, config)
            run.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
            run.optimiser.step()
            run.schedule.step()
            with torch.no_grad():
                learner.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
            move_average(run.average, learner, config.ema)
            run.losses.append(float(loss.detach()))
            run.step += 1
            if checkpoint is not None and run.step % config.checkpoint_every == 0:
                run.require_numbers()
                save_checkpoint(checkpoint, run.state_dict())
                done = (run.epoch - 1) * steps + run.step
                report(
                    f"epoch {run.epoch} step {run.step}/{steps} loss {run.losses[-1]:.4f} {clock.left(done)}"
                )
        _finish_epoch(run, config, evaluate, report)
        if checkpoint is not None:
            save_checkpoint(checkpoint, run.state_dict())
    learner.load_state_dict(run.best[1] if config.keep == "best" else run.average.state_dict())
    require_numbers({}, as_written(learner), config.epochs)
    learner.eval()
    return run.history


def _begin(run: RunState, checkpoint: Path, resume: bool, report: Callable[[str], None]) -> None:
    """Load what a killed run left, or put it aside when the run starts anew."""
    if resume:
        run.load_state_dict(load_checkpoint(checkpoint, run.fingerprint))
    elif aside := put_aside(checkpoint):
        report(f"The checkpoint of an earlier run is now {aside}.")


def _finish_epoch(
    run: RunState, config: PretrainConfig, evaluate: Evaluate, report: Callable[[str], None]
) -> None:
    """Score the averaged weights, keep them when they are the best, and go to the next epoch."""
    run.require_numbers()
    run.average.eval()
    scores = evaluate(run.average)
    require_numbers({"score": scores["score"]}, (), run.epoch)
    run.history.append({"epoch": run.epoch, "loss": float(np.mean(run.losses)), **scores})
    if scores["score"] > run.best[0]:
        run.best = (scores["score"], {k: v.clone() for k, v in run.average.state_dict().items()})
    told = " ".join(f"{name} {value:.4f}" for name, value in run.history[-1].items() if name != "epoch")
    report(f"epoch {run.epoch}/{config.epochs} {told}")
    run.epoch, run.step, run.losses = run.epoch + 1, 0, []


def _step_loss(
    learner: Learner,
    views: Tensor,
    images: TrainingImages,
    prompts: PromptFeatures,
    run: RunState,
    config: PretrainConfig,
) -> Tensor:
    """Loss of one batch of photographs, each with one sampled caption."""
    weights = config.loss
    picked, rng = run.order[run.step], run.rng
    labels = torch.from_numpy(images.labels[picked])
    primary = torch.from_numpy(images.primary[picked])
    target = prototype_targets(labels, primary, weights.smoothing, weights.secondary)
    if config.mixup:
        views, labels, target = mixed(views, labels, target, rng.beta(config.mixup, config.mixup))
    image_embeddings = learner.images(views)
    scale = learner.logit_scale.exp()

    spoken = _sampled_labels(images, picked, rng)
    captions = torch.from_numpy(_sampled_prompts(prompts.owner.numpy(), spoken, rng))
    caption_embeddings = learner.texts(prompts.features[captions])
    logits_per_text = scale * caption_embeddings @ image_embeddings.T
    shown = labels[:, torch.from_numpy(spoken)].T if weights.identical else torch.eye(len(labels))
    loss = weights.clip * clip_loss(logits_per_text, positives=shown)
    if weights.siglip:
        loss = loss + weights.siglip * siglip_loss(logits_per_text + SIGLIP_BIAS, shown)
    if weights.evidential:
        loss = loss + weights.evidential * evidential_loss(logits_per_text, run.epoch)

    diseases = int(prompts.owner.max()) + 1
    prototypes = prompts.prototypes(learner, diseases)
    occurring = images.occurring
    loss = loss + weights.prototype * soft_cross_entropy(
        scale * image_embeddings @ prototypes[occurring].T, target[:, occurring]
    )
    if weights.text:
        some = torch.from_numpy(rng.integers(0, len(prompts.owner), 256))
        logits = scale * learner.texts(prompts.features[some]) @ prototypes.T
        loss = loss + weights.text * nn.functional.cross_entropy(logits, prompts.owner[some])
    return loss


def mixed(views: Tensor, labels: Tensor, target: Tensor, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """Blend each row with the row before it: ``share`` of itself, the rest of the other."""
    return tuple(share * rows + (1 - share) * rows.roll(1, dims=0) for rows in (views, labels, target))  # type: ignore[return-value]


def prototype_targets(labels: Tensor, primary: Tensor, smoothing: float, secondary: float) -> Tensor:
    """Target distribution over labels, (N, K), rows sum to 1.

    Args:
        labels: (N, K) 0/1, the primary label included.
        primary: (N,) index of the primary label.
        smoothing: Share spread evenly over all labels.
        secondary: Share of the rest that goes to further labels, where a row has any.
    """
    first = nn.functional.one_hot(primary, labels.shape[1]).to(labels.dtype)
    others = labels * (1 - first)
    number = others.sum(dim=1, keepdim=True)
    share = secondary * (number > 0)
    target = (1 - share) * first + share * others / number.clamp_min(1)
    return (1 - smoothing) * target + smoothing / labels.shape[1]


def drawing_weights(kind: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Weight of each photograph, ``count(its kind) ** -balance``, (N,)."""
    return np.asarray(np.bincount(kind)[kind].astype(np.float64) ** -balance)


def draw_order(
    weight: NDArray[np.float64], batch: int, steps: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Photographs of an epoch, (steps, batch), each drawn in proportion to its weight."""
    return rng.choice(len(weight), size=steps * batch, p=weight / weight.sum()).reshape(steps, batch)


def _sampled_labels(
    images: TrainingImages, picked: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Which label each caption speaks of: mostly the primary one, sometimes a further one."""
    spoken = images.primary[picked].copy()
    for row, index in enumerate(picked):
        further = np.flatnonzero(images.labels[index])
        if len(further) > 1 and rng.random() < 0.3:
            spoken[row] = rng.choice(further)
    return spoken


def _sampled_prompts(
    owner: NDArray[np.int64], spoken: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    return np.array([rng.choice(np.flatnonzero(owner == label)) for label in spoken], np.int64)
