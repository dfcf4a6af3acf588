"""One run from a manifest and an image tower to a classifier folder with its test results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np
import torch

from retizero.data import ManifestRow
from retizero.evaluation.transfer import statistics_of
from retizero.model.image_classifier import ImageClassifier
from retizero.model.image_towers import ImageTower, load_image_tower
from retizero.serving.confidence import softmax
from retizero.training.config import ConfigError
from retizero.training.domains import Part
from retizero.training.finetuning.examples import LabelledViews, collated
from retizero.training.finetuning.low_rank import add_low_rank, fold_low_rank
from retizero.training.finetuning.objective import ClassifierObjective, class_weights
from retizero.training.finetuning.recipe import FinetuneRecipe
from retizero.training.finetuning.result import Finetuned, answers_of, plain_logits, write_result
from retizero.training.finetuning.sides import Sides, read_sides
from retizero.training.running.claim import claimed
from retizero.training.running.journal import Journal
from retizero.training.running.loop import train
from retizero.training.running.order import Order, loaded
from retizero.training.running.state import RunState
from retizero.training.running.world import joined_world, spread, whole

_HEAD = {"head.weight", "head.bias"}


def finetune(recipe: FinetuneRecipe, resume: bool = False, strict: bool = False) -> Finetuned:
    """Train a classifier, keep the best epoch, calibrate it, test it, and write its folder.

    Under ``torchrun`` every process calls this; the first one writes.

    Args:
        recipe: Settings.
        resume: Go on from the checkpoint where there is one.
        strict: Stop when a row of the manifest cannot be used.

    Raises:
        ValueError: The manifest, the model or a setting cannot be used; the message is one sentence.
    """
    if recipe.compute.threads is not None:
        torch.set_num_threads(recipe.compute.threads)
    with joined_world(recipe.compute.device) as world, claimed(world, recipe):
        journal = Journal(world.first, recipe.tensorboard)
        tower = load_image_tower(recipe.tower.model, recipe.tower.size)
        sides = world.on_first(lambda: read_sides(recipe, tower.preprocess, strict, journal.tell))
        learn, count = sides.learn, len(sides.classes.ids)
        torch.manual_seed(recipe.seed)
        network = ImageClassifier(tower.features, tower.width, count, recipe.tower.drop)
        _let_learn(network, recipe)
        network.to(world.device).to(memory_format=torch.channels_last)
        module = spread(network, world, recipe.compute.processes, [])
        order = Order(len(learn), recipe, world)
        fingerprint = _fingerprint(recipe, tower, learn.part)
        state = RunState(network, recipe, _HEAD, order.steps, fingerprint, world.device.type)
        views = LabelledViews(
            learn.squares, learn.part.primary, tower.preprocess, recipe.augmentation, recipe.seed
        )
        objective = ClassifierObjective(
            network,
            module,
            class_weights(learn.part.primary, count, recipe.loss.class_weights),
            recipe.loss.smoothing,
            recipe.compute,
            world,
            recipe.tower.learn == "full",
            _scorer(recipe, network, tower, sides),
        )
        _tell_what_learns(network, sides, order.steps, journal)
        train(
            recipe,
            world,
            state,
            objective,
            lambda epoch, step: loaded(views, collated, order.mine(epoch, step), recipe, world),
            journal,
            recipe.validation.patience,
            resume,
        )
        weights = {name: whole(tensor).detach().cpu() for name, tensor in network.state_dict().items()}
        network.cpu().load_state_dict({**weights, **state.best[2]}, strict=True)
        fold_low_rank(network.tower)
        network.eval().requires_grad_(False)
        return world.on_first(
            lambda: write_result(recipe, tower, network, sides, state.history, state.best[0])
        )


def _let_learn(network: ImageClassifier, recipe: FinetuneRecipe) -> None:
    network.requires_grad_(recipe.tower.learn == "full")
    network.head.requires_grad_(True)
    if recipe.tower.learn == "lora":
        add_low_rank(network.tower, recipe.tower.rank)


def _scorer(
    recipe: FinetuneRecipe, network: ImageClassifier, tower: ImageTower, sides: Sides
) -> Callable[[], dict[str, float]]:
    """Return the function that scores an epoch; without validation rows there is nothing to score."""
    choose, measure = sides.choose, recipe.validation.measure
    if not len(choose):
        return dict

    def score() -> dict[str, float]:
        scores = softmax(plain_logits(network, tower, choose.squares))
        statistics = statistics_of(answers_of(sides.classes, choose.part, scores))
        values = {name: float(statistic(None)[0]) for name, statistic in statistics.items()}
        if measure not in values:
            raise ConfigError(f"The validation rows have no {measure}; choose another measure.")
        return {**values, "score": values[measure]}

    return score


def _fingerprint(recipe: FinetuneRecipe, tower: ImageTower, part: Part) -> str:
    """Identify a run by the settings that decide its weights, by its tower and its photographs."""
    settings = {k: v for k, v in recipe.deciding().items() if k not in ("cache", "manifest", "resamples")}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(tower.identity.weights_sha256.encode())
    digest.update(json.dumps(_names(part.rows)).encode())
    digest.update(np.ascontiguousarray(part.primary).tobytes())
    return digest.hexdigest()


def _names(rows: Sequence[ManifestRow]) -> list[str]:
    return [row.name for row in rows]


def _tell_what_learns(network: ImageClassifier, sides: Sides, steps: int, journal: Journal) -> None:
    every = sum(parameter.numel() for parameter in network.parameters())
    learns = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    journal.tell(
        f"{len(sides.learn)} photographs to learn from, {len(sides.choose)} to choose by, {len(sides.test)} "
        f"to test; {len(sides.classes.ids)} classes; {steps} steps per epoch; {learns:,} of {every:,} "
        "weights learn."
    )
