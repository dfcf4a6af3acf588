"""One run from a manifest of labelled photographs to a calibrated model folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from retizero.data import Manifest
from retizero.knowledge import label_set
from retizero.model.identity import ModelIdentity
from retizero.model.open_clip_folder import write_open_clip_folder
from retizero.training.calibration import calibrate
from retizero.training.labelled.examples import LabelExamples, collated, drawing_weights
from retizero.training.labelled.learner import depth_factors, heads_of
from retizero.training.labelled.objective import LabelObjective, as_written, validation
from retizero.training.labelled.prepare import Photographs, Prepared, prepare, starting_point
from retizero.training.labelled.recipe import LabelRecipe
from retizero.training.labelled.start import StartingTowers
from retizero.training.places import LEARNING_CURVE, move_into_place, result_at, work_folder
from retizero.training.running.begin import begun
from retizero.training.running.diverged import require_numbers
from retizero.training.running.journal import Journal
from retizero.training.running.loop import train
from retizero.training.running.order import Order, loaded
from retizero.training.running.state import RunState
from retizero.training.running.world import World


def pretrain_labels(
    recipe: LabelRecipe, manifest: Manifest, resume: bool = False
) -> tuple[ModelIdentity, list[dict[str, float]]]:
    """Train, choose on the validation split, calibrate on it, and write the model folder.

    Args:
        recipe: Settings.
        manifest: Photographs with the splits ``train`` and ``val``.
        resume: Go on from the checkpoint where there is one.

    Returns:
        The identity and one row of losses and scores per epoch.

    Raises:
        ImageReadError: A photograph cannot be read.
        ValueError: A place, the manifest or a label cannot be used, another run is writing the checkpoint, or
            the run diverged.
    """
    with begun(recipe) as (world, journal), work_folder(recipe.out) as work:
        labels = label_set(recipe.data.label_set)
        start = starting_point(recipe, labels, work)
        run = prepare(recipe, manifest, labels, start, world.device, journal.tell)
        history = learn(run, recipe, world, journal, resume)
        start.towers.cpu()
        with result_at(recipe.out):
            write_model(work, start, recipe)
            (work / LEARNING_CURVE).write_text(json.dumps(history, indent=1), encoding="utf-8")
        identity = calibrate(work, manifest.where("val").rows, run.held_out.primary, labels, "val")
        with result_at(recipe.out):
            move_into_place(work, recipe.out)
    return identity, history


def learn(
    run: Prepared, recipe: LabelRecipe, world: World, journal: Journal, resume: bool = False
) -> list[dict[str, float]]:
    """Train in place and leave the averaged weights of the best epoch, or of the last, in ``run.learner``.

    Returns:
        One row of losses and scores per epoch.

    Raises:
        CheckpointError: Another run made the checkpoint, or none can be written.
        DivergedError: Losses or weights are no longer numbers.
    """
    learner, photographs, prompts, data = run.learner, run.photographs, run.prompts, recipe.data
    weights = drawing_weights(photographs.primary, data.balance)
    weights *= drawing_weights(photographs.source, data.source_balance)
    order = Order(len(photographs.primary), recipe, world, weights)
    state = RunState(
        learner,
        recipe,
        heads_of(learner),
        order.steps,
        _fingerprint(recipe, photographs),
        world.device.type,
        depth_factors(learner, recipe.optimiser),
    )
    examples = LabelExamples(
        photographs.views, photographs.labels, photographs.primary, prompts.owner.cpu().numpy(), recipe.seed
    )
    score = validation(
        learner, run.held_out.activations, run.held_out.primary, prompts, photographs.labels.shape[1]
    )

    def scores() -> dict[str, float]:
        found = score()
        if recipe.keep == "last":
            del found["score"]  # no epoch is better than another
        return found

    objective = LabelObjective(
        learner,
        run.front,
        photographs.labels,
        photographs.primary,
        prompts,
        recipe.loss,
        recipe.picture.mixup,
        scores,
    )
    train(
        recipe,
        world,
        state,
        objective,
        lambda epoch, step: loaded(examples, collated, order.mine(epoch, step), recipe, world),
        journal,
        recipe.patience,
        resume,
    )
    learner.load_state_dict({**learner.state_dict(), **state.best[2]})
    require_numbers({}, as_written(learner), state.best[0])
    learner.eval()
    return state.history


def write_model(out: Path, start: StartingTowers, recipe: LabelRecipe) -> ModelIdentity:
    """Write the trained towers, not yet calibrated."""
    identity = ModelIdentity(
        id=recipe.id,
        title=recipe.title or recipe.id,
        architecture="open_clip CustomTextCLIP: timm tf_efficientnet_lite2 + MiniLM-L6 sentence encoder",
        embed_dim=int(start.config["embed_dim"]),
        preprocess=recipe.picture.preprocess.to_dict(),
        weights_sha256="",
        template=recipe.data.template,
        prompt_style=recipe.data.prompt_style,
        pooling="mean over tokens, never over padding",
        mirror=recipe.picture.mirror,
        trained_on=recipe.trained_on,
        licence=recipe.licence,
    )
    return write_open_clip_folder(
        out, start.towers, start.config, start.text_config, start.tokenizer, identity
    )


def _fingerprint(recipe: LabelRecipe, photographs: Photographs) -> str:
    """Identify a run by the settings that decide its weights and by its photographs' labels."""
    digest = hashlib.sha256(json.dumps(recipe.deciding(), sort_keys=True).encode())
    digest.update(np.ascontiguousarray(photographs.labels).tobytes())
    return digest.hexdigest()
