"""One run from image-text pairs to a model folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from retizero.knowledge import label_set
from retizero.model.identity import ModelIdentity
from retizero.serving import Engine
from retizero.training.calibration import calibrate_embeddings
from retizero.training.errors import ConfigError
from retizero.training.pairs.batches import PairExamples, balancing_weights, collated
from retizero.training.pairs.captions import Wording
from retizero.training.pairs.loss import PairLoss
from retizero.training.pairs.objective import PairObjective
from retizero.training.pairs.pair import Pair
from retizero.training.pairs.recipe import PairRecipe
from retizero.training.pairs.result import write_trained
from retizero.training.pairs.sources import read_pairs
from retizero.training.pairs.start import Start, starting_point
from retizero.training.pairs.validation import (
    Embedder,
    Score,
    labelled,
    plain_pixels,
    retrieval,
    zero_shot,
)
from retizero.training.places import LEARNING_CURVE, move_into_place, result_at
from retizero.training.running.begin import begun
from retizero.training.running.journal import Journal
from retizero.training.running.loop import train
from retizero.training.running.order import Order, loaded
from retizero.training.running.state import RunState
from retizero.training.running.world import World, spread, whole

_CHUNK = 32


def pretrain_pairs(
    recipe: PairRecipe, manifest: Path | None = None, resume: bool = False, strict: bool = False
) -> tuple[ModelIdentity, list[dict[str, float]]]:
    """Train both towers on image-text pairs and write the best epoch as a model folder.

    Under ``torchrun`` every process calls this; the first one writes.

    Args:
        recipe: Settings.
        manifest: CSV with image and caption or label, instead of what the recipe names.
        resume: Go on from the checkpoint where there is one.
        strict: Stop when anything listed cannot be used.

    Returns:
        The identity of the model and one row of losses and scores per epoch.

    Raises:
        ValueError: Settings, a file, or the pairs cannot be used; the message is one sentence.
    """
    with begun(recipe) as (world, journal):
        wording = Wording(recipe.data.captions, recipe.data.template)
        pairs = world.on_first(
            lambda: read_pairs(recipe.data, wording, manifest, strict, journal.tell, recipe.validation.split)
        )
        learn, held_out = pairs.training(recipe.validation.split), pairs.of(recipe.validation.split)
        work = recipe.out.with_name(f".{recipe.out.name}.partial")
        own = work if world.first else work.with_name(f"{work.name}.{world.rank}")
        start = starting_point(recipe, own)
        shutil.rmtree(own, ignore_errors=True)
        towers = start.towers.to(world.device)
        module = spread(towers, world, recipe.compute.processes, towers.blocks)
        weights = balancing_weights(learn) if recipe.data.draw == "balanced" else None
        order = Order(len(learn), recipe, world, weights)
        state = RunState(
            towers, recipe, towers.heads, order.steps, _fingerprint(recipe, learn), world.device.type
        )
        examples = PairExamples(
            learn,
            start.preprocess,
            recipe.picture.augmentation,
            start.tokenizer,
            start.context_length,
            recipe.data.same,
            recipe.seed,
        )
        embed = Embedder(module, start, world, recipe.compute.precision)
        score = _validation(recipe, held_out, embed, start, journal)
        objective = PairObjective(towers, module, PairLoss(recipe.loss, world), recipe.compute, world, score)
        _tell_what_learns(towers, len(learn), len(held_out), order.steps, world, journal)
        train(
            recipe,
            world,
            state,
            objective,
            lambda epoch, step: loaded(examples, collated, order.mine(epoch, step), recipe, world),
            journal,
            recipe.validation.patience,
            resume,
        )
        trained = {name: whole(tensor).detach().cpu() for name, tensor in towers.state_dict().items()}
        identity = world.on_first(
            lambda: _written(recipe, start, {**trained, **state.best[2]}, held_out, state.history, work)
        )
        return identity, state.history


def _fingerprint(recipe: PairRecipe, pairs: Sequence[Pair]) -> str:
    """Identify a run by the settings that decide its weights and by its pairs."""
    digest = hashlib.sha256(json.dumps(recipe.deciding(), sort_keys=True).encode())
    for pair in pairs:
        digest.update(json.dumps([pair.picture.name, pair.captions, pair.labels]).encode())
    return digest.hexdigest()


def _validation(
    recipe: PairRecipe, held_out: Sequence[Pair], embed: Embedder, start: Start, journal: Journal
) -> Score:
    """Return the function that scores an epoch; without held-out pairs there is nothing to score."""
    asked = recipe.validation
    if asked.protocol == "none":
        return dict
    if not held_out:
        if asked.patience is not None or "split" in asked.model_fields_set:
            raise ConfigError(
                f"There is no pair with the split {asked.split!r} to validate on; name some so, or set "
                "validation.protocol to none."
            )
        journal.tell(f"No pair has the split {asked.split!r}: nothing is validated, the last epoch is kept.")
        return dict
    if asked.protocol == "retrieval":
        pixels = plain_pixels(held_out, start.preprocess)
        return retrieval(embed, pixels, [pair.captions for pair in held_out])
    labels = label_set(asked.label_set)
    kept, primary = labelled(held_out, labels)
    pixels = plain_pixels(kept, start.preprocess)
    return zero_shot(embed, pixels, primary, labels, start.prompt_style, recipe.data.template)


def _tell_what_learns(
    towers: nn.Module, learn: int, held_out: int, steps: int, world: World, journal: Journal
) -> None:
    every = sum(parameter.numel() for parameter in towers.parameters())
    learns = sum(parameter.numel() for parameter in towers.parameters() if parameter.requires_grad)
    where = f"{world.size} processes on {world.device.type}" if world.size > 1 else world.device.type
    journal.tell(
        f"{learn} pairs to learn from, {held_out} held out; {steps} steps per epoch; {learns:,} of {every:,} "
        f"weights learn; {where}."
    )


def _written(
    recipe: PairRecipe,
    start: Start,
    weights: dict[str, Tensor],
    held_out: Sequence[Pair],
    history: list[dict[str, float]],
    work: Path,
) -> ModelIdentity:
    with result_at(recipe.out):
        identity = write_trained(work, start, weights, recipe)
        (work / LEARNING_CURVE).write_text(json.dumps(history, indent=1), encoding="utf-8")
    if recipe.validation.protocol == "zero-shot" and held_out:
        labels = label_set(recipe.validation.label_set)
        kept, primary = labelled(held_out, labels)
        engine = Engine.load(str(work), device="cpu")
        embedded = [
            engine.embed_image([pair.picture.read() for pair in kept[begin : begin + _CHUNK]])
            for begin in range(0, len(kept), _CHUNK)
        ]
        identity = calibrate_embeddings(
            work, engine, np.concatenate(embedded), primary, labels, recipe.validation.split
        )
    with result_at(recipe.out):
        move_into_place(work, recipe.out)
    return identity
