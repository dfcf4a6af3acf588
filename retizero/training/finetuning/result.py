"""From trained weights to a calibrated classifier folder and the row of its test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retizero.evaluation.answers import Answers, image_ref
from retizero.evaluation.transfer import LEFT_OUT, transfer_row
from retizero.model.identity import ModelIdentity
from retizero.model.image_classifier import Classes, ImageClassifier, logits_of, write_classifier
from retizero.model.image_towers import ImageTower
from retizero.serving.confidence import softmax
from retizero.training.calibration import calibrated
from retizero.training.domains import Part
from retizero.training.finetuning.recipe import FinetuneRecipe
from retizero.training.finetuning.sides import Sides
from retizero.training.places import LEARNING_CURVE, result_at
from retizero.training.transfer_files import RESULT_FILES, write_transfer


@dataclass(frozen=True)
class Finetuned:
    """What a run made.

    Attributes:
        identity: Of the classifier.
        history: One row of loss and scores per epoch.
        rows: Of the table of test results; none where there is nothing to test on.
    """

    identity: ModelIdentity
    history: list[dict[str, float]]
    rows: list[dict[str, Any]]


def write_result(
    recipe: FinetuneRecipe,
    tower: ImageTower,
    network: ImageClassifier,
    sides: Sides,
    history: list[dict[str, float]],
    best_epoch: int,
) -> Finetuned:
    """Calibrate on validation rows, write the folder, and test.

    Args:
        recipe: Settings.
        tower: What the network was built on.
        network: Trained, LoRA folded, on the CPU, in evaluation mode.
        sides: Photographs.
        history: One row per epoch.
        best_epoch: Whose weights these are.
    """
    classes = sides.classes
    identity = _identity(recipe, tower)
    if len(sides.choose):
        choosing = plain_logits(network, tower, sides.choose.squares)
        identity = calibrated(identity, choosing, sides.choose.part.primary, classes.ids, "val")
    further = {LEARNING_CURVE: json.dumps(history, indent=1)}
    with result_at(recipe.out):
        identity = write_classifier(
            recipe.out, network, tower.architecture, classes, identity, further, RESULT_FILES
        )
    if not len(sides.test):
        return Finetuned(identity, history, [])
    scores = softmax(plain_logits(network, tower, sides.test.squares), identity.temperature)
    facts = {
        "domain": recipe.domain.name,
        "train_sources": "; ".join(recipe.domain.train_sources) or "all",
        "test_sources": "; ".join(recipe.domain.test_sources or recipe.domain.train_sources) or "all",
        "model": tower.identity.id,
        "features": "tower",
        "method": f"finetune {recipe.tower.learn}",
        "shots": "all",
        "seeds": 1,
        "n_train": len(sides.learn),
        "n_val": len(sides.choose),
        "candidates": list(classes.ids),
        "best_epoch": best_epoch,
        LEFT_OUT: len(sides.test.part.left_out),
        "weights_sha256": identity.weights_sha256,
    }
    rows = [transfer_row(facts, [answers_of(classes, sides.test.part, scores)], recipe.resamples)]
    with result_at(recipe.out):
        write_transfer(recipe.out, rows, identity.title, recipe.model_dump(mode="json"))
    return Finetuned(identity, history, rows)


def plain_logits(
    network: ImageClassifier, tower: ImageTower, squares: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Logits (N, K) of plain photographs (N, S, S, 3), prepared as they are served."""
    parts = [np.zeros((0, network.head.out_features))]
    for start in range(0, len(squares), 64):
        prepared = [tower.preprocess.normalise(square) for square in squares[start : start + 64]]
        found = logits_of(network, torch.from_numpy(np.stack(prepared)), tower.identity.mirror)
        parts.append(found.double().numpy())
    return np.concatenate(parts)


def answers_of(classes: Classes, part: Part, scores: NDArray[np.float64]) -> Answers:
    """Scores (N, K) of a side's photographs beside their truth."""
    return Answers(
        images=tuple(image_ref(row) for row in part.rows),
        ids=classes.ids,
        names=classes.names,
        scores=scores,
        truth=part.truth,
        primary=part.primary,
        uncertainty=None,
        sets=None,
        coverage=None,
    )


def _identity(recipe: FinetuneRecipe, tower: ImageTower) -> ModelIdentity:
    return ModelIdentity(
        id=recipe.id,
        title=recipe.title or recipe.id,
        architecture=f"classifier on the image tower of {tower.identity.id} ({tower.identity.architecture})",
        embed_dim=tower.width,
        preprocess=tower.preprocess.to_dict(),
        weights_sha256="",
        mirror=tower.identity.mirror,
        trained_on=recipe.trained_on,
        licence=recipe.licence,
    )
