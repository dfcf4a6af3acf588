"""One run from a manifest and an image tower to a classifier folder with its test results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from retizero.evaluation.transfer import statistics_of
from retizero.model.image_classifier import ImageClassifier, require_place
from retizero.model.image_towers import ImageTower, load_image_tower
from retizero.serving.confidence import softmax
from retizero.training.errors import ConfigError
from retizero.training.finetuning.examples import LabelledViews, collated
from retizero.training.finetuning.low_rank import add_low_rank, fold_low_rank
from retizero.training.finetuning.objective import ClassifierObjective, class_weights
from retizero.training.finetuning.recipe import FinetuneRecipe
from retizero.training.finetuning.result import Finetuned, answers_of, plain_logits, write_result
from retizero.training.finetuning.sides import Sides, read_sides
from retizero.training.running.begin import begun
from retizero.training.running.journal import Journal
from retizero.training.running.loop import train
from retizero.training.running.order import Order, loaded
from retizero.training.running.state import RunState
from retizero.training.running.world import spread, whole

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
    with begun(recipe) as (world, journal):
        world.on_first(lambda: require_place(recipe.out))
        tower = load_image_tower(recipe.tower.model, recipe.tower.size)
        sides = world.on_first(lambda: read_sides(recipe, tower.preprocess, strict, journal.tell))
        learn, count = sides.learn, len(sides.classes.ids)
        torch.manual_seed(recipe.seed)
        network = ImageClassifier(tower.features, tower.width, count, recipe.tower.drop)
        _let_learn(network, recipe)
        network.to(world.device).to(memory_format=torch.channels_last)
        module = spread(network, world, recipe.compute.processes, [])
        order = Order(len(learn), recipe, world)
        fingerprint = _fingerprint(recipe, tower, sides)
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
    """Return the function that scores an epoch; without validation rows there is nothing to score.

    Raises:
        ConfigError: The validation rows cannot give the measure that chooses.
    """
    choose, measure = sides.choose, recipe.validation.measure
    if not len(choose):
        return dict
    count = len(sides.classes.ids)
    if not np.isfinite(_values(sides, np.full((len(choose), count), 1 / count)).get(measure, np.nan)):
        raise ConfigError(f"The validation rows have no {measure}; choose another measure.")

    def score() -> dict[str, float]:
        values = _values(sides, softmax(plain_logits(network, tower, choose.squares)))
        return {**values, "score": values[measure]}

    return score


def _values(sides: Sides, scores: NDArray[np.float64]) -> dict[str, float]:
    """Every measure of scores (N, K) of the validation photographs."""
    statistics = statistics_of(answers_of(sides.classes, sides.choose.part, scores))
    return {name: float(statistic(None)[0]) for name, statistic in statistics.items()}


def _fingerprint(recipe: FinetuneRecipe, tower: ImageTower, sides: Sides) -> str:
    """Identify a run by what decides its weights: settings, tower, photographs that teach and choose."""
    settings = {k: v for k, v in recipe.deciding().items() if k not in ("cache", "manifest", "resamples")}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(tower.identity.weights_sha256.encode())
    for part in (sides.learn.part, sides.choose.part):
        digest.update(json.dumps([row.name for row in part.rows]).encode())
        digest.update(np.ascontiguousarray(part.primary).tobytes())
        digest.update(np.ascontiguousarray(part.truth).tobytes())
    return digest.hexdigest()


def _tell_what_learns(network: ImageClassifier, sides: Sides, steps: int, journal: Journal) -> None:
    every = sum(parameter.numel() for parameter in network.parameters())
    learns = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    journal.tell(
        f"{len(sides.learn)} photographs to learn from, {len(sides.choose)} to choose by, {len(sides.test)} "
        f"to test; {len(sides.classes.ids)} classes; {steps} steps per epoch; {learns:,} of {every:,} "
        "weights learn."
    )
