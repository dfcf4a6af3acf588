"""The train loop: image stages and two projections learn to meet, prompts stand for labels."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from retizero.training.config import LossWeights, PretrainConfig
from retizero.training.losses import clip_loss, evidential_loss, soft_cross_entropy

MAX_LOGIT_SCALE = math.log(100)


class Learner(nn.Module):
    """What learns: the back of the image tower, the text projection and the logit scale.

    Args:
        back: Activations of the frozen stages to (N, D) image embeddings.
        text_projection: Text features to (P, D).
        logit_scale: Logarithm of the scale of logits, scalar.
    """

    def __init__(self, back: nn.Module, text_projection: nn.Module, logit_scale: nn.Parameter) -> None:
        super().__init__()
        self.back = back
        self.text_projection = text_projection
        self.logit_scale = logit_scale

    def images(self, activations: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D) float32, unit norm; bfloat16 arithmetic in the convolutions."""
        with torch.autocast(activations.device.type, torch.bfloat16):
            embeddings = self.back(activations.contiguous(memory_format=torch.channels_last))
        return normalize(embeddings.float(), dim=-1)

    def texts(self, features: Tensor) -> Tensor:
        """(P, F) to (P, D), unit norm."""
        return normalize(self.text_projection(features), dim=-1)


@dataclass(frozen=True)
class TrainingImages:
    """Photographs to learn from.

    Attributes:
        activations: (N, V, C, H, W) float16, view 0 the plain photograph.
        labels: (N, K) 0/1, every label of a photograph.
        primary: (N,) index of the primary label.
    """

    activations: NDArray[np.float16]
    labels: NDArray[np.float32]
    primary: NDArray[np.int64]


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
) -> list[dict[str, float]]:
    """Train in place and leave the averaged weights of the best epoch in ``learner``.

    Args:
        learner: Changed in place.
        images: What to learn from.
        prompts: Prompts of the training labels first, then of the rest of the catalogue.
        config: Settings; ``config.seed`` decides every random draw.
        evaluate: Scores on validation data; ``score`` decides which epoch is kept.
        report: Receives one line per epoch.

    Returns:
        One row of losses and scores per epoch.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    optimiser = torch.optim.AdamW(_parameter_groups(learner, config), betas=(0.9, 0.98))
    steps_per_epoch = max(1, len(images.primary) // config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, warmup_then_cosine(config.epochs * steps_per_epoch, config.warmup)
    )
    average = copy.deepcopy(learner)
    history: list[dict[str, float]] = []
    best: tuple[float, dict[str, Tensor]] = (-math.inf, {})
    for epoch in range(1, config.epochs + 1):
        started = time.monotonic()
        losses = []
        learner.train()
        for picked in _draws(images, config, rng, steps_per_epoch):
            loss = _step_loss(learner, images, prompts, picked, config.loss, epoch, rng)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                learner.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
            _move_average(average, learner, config.ema)
            losses.append(float(loss.detach()))
        average.eval()
        scores = evaluate(average)
        history.append({"epoch": epoch, "loss": float(np.mean(losses)), **scores})
        if scores["score"] > best[0]:
            best = (scores["score"], {k: v.clone() for k, v in average.state_dict().items()})
        told = " ".join(f"{name} {value:.4f}" for name, value in history[-1].items() if name != "epoch")
        report(f"epoch {epoch}/{config.epochs} {told} ({time.monotonic() - started:.0f} s)")
    learner.load_state_dict(best[1])
    learner.eval()
    return history


def _step_loss(
    learner: Learner,
    images: TrainingImages,
    prompts: PromptFeatures,
    picked: NDArray[np.int64],
    weights: LossWeights,
    epoch: int,
    rng: np.random.Generator,
) -> Tensor:
    """Loss of one batch of photographs, each with one sampled caption."""
    count = images.labels.shape[1]
    labels = torch.from_numpy(images.labels[picked])
    primary = torch.from_numpy(images.primary[picked])
    image_embeddings = learner.images(_views(images.activations, picked, rng))
    scale = learner.logit_scale.exp()

    spoken = _sampled_labels(images, picked, rng)
    captions = torch.from_numpy(_sampled_prompts(prompts.owner.numpy(), spoken, rng))
    caption_embeddings = learner.texts(prompts.features[captions])
    logits_per_text = scale * caption_embeddings @ image_embeddings.T
    loss = weights.clip * clip_loss(logits_per_text, positives=labels[:, torch.from_numpy(spoken)].T)
    if weights.evidential:
        loss = loss + weights.evidential * evidential_loss(logits_per_text, epoch)

    diseases = int(prompts.owner.max()) + 1
    prototypes = prompts.prototypes(learner, diseases)
    target = prototype_targets(labels, primary, weights.smoothing, weights.secondary)
    loss = loss + weights.prototype * soft_cross_entropy(
        scale * image_embeddings @ prototypes[:count].T, target
    )
    if weights.text:
        some = torch.from_numpy(rng.integers(0, len(prompts.owner), 256))
        logits = scale * learner.texts(prompts.features[some]) @ prototypes.T
        loss = loss + weights.text * nn.functional.cross_entropy(logits, prompts.owner[some])
    return loss


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


def warmup_then_cosine(steps: int, warmup: float) -> Callable[[int], float]:
    """Factor of the learning rate by step: linear rise, then a cosine that ends at zero."""
    rise = max(1, round(steps * warmup))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))

    return factor


def _draws(
    images: TrainingImages, config: PretrainConfig, rng: np.random.Generator, steps: int
) -> Iterator[NDArray[np.int64]]:
    counts = np.bincount(images.primary, minlength=images.labels.shape[1])
    weight = counts[images.primary].astype(float) ** -config.balance
    order = rng.choice(len(weight), size=steps * config.batch, p=weight / weight.sum())
    yield from order.reshape(steps, config.batch)


def _views(activations: NDArray[np.float16], picked: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
    """One random view of each photograph, mirrored half of the time."""
    views = rng.integers(0, activations.shape[1], len(picked))
    chosen = torch.from_numpy(activations[picked, views].astype(np.float32))
    mirrored = torch.from_numpy(rng.random(len(picked)) < 0.5)
    return torch.where(mirrored[:, None, None, None], chosen.flip(-1), chosen)


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


def _parameter_groups(learner: Learner, config: PretrainConfig) -> list[dict[str, object]]:
    """Matrices decay, biases and norms do not; projections learn faster than pretrained stages."""
    projections = {id(p) for p in learner.text_projection.parameters()} | {id(learner.logit_scale)}
    children: Sequence[nn.Module] = list(learner.back.children())
    if children:
        projections |= {id(p) for p in children[-1].parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in learner.parameters():
        rate = config.head_learning_rate if id(parameter) in projections else config.learning_rate
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": ps, "lr": rate, "weight_decay": decay} for (rate, decay), ps in groups.items()]


@torch.no_grad()
def _move_average(average: Learner, learner: Learner, decay: float) -> None:
    for kept, new in zip(average.state_dict().values(), learner.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)
