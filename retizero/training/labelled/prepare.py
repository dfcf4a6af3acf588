"""All that a run learns from and with; what does not learn is computed once and kept on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retizero import phantom
from retizero.data import ImageReadError, Manifest, ManifestRow, read_manifest
from retizero.knowledge import LabelSet, load_catalogue
from retizero.model.image_stages import ImageStages
from retizero.training.labelled.activations import Activations
from retizero.training.labelled.examples import FreshViews, KeptViews, Views
from retizero.training.labelled.learner import Learner
from retizero.training.labelled.objective import Front
from retizero.training.labelled.prompts import PromptFeatures, cached_text_features, training_prompts
from retizero.training.labelled.recipe import LabelRecipe
from retizero.training.labelled.start import StartingTowers, starting_towers, towers_to_go_on_from
from retizero.training.labels import label_matrix
from retizero.training.squares import cached_squares

PHANTOM_SEED = 5201  # of training; the demo's phantoms and the tests' come from other seeds


@dataclass(frozen=True)
class Photographs:
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


@dataclass(frozen=True)
class HeldOut:
    """Photographs that validate and calibrate: activations (M, 1, C, H, W), (M,) primary label."""

    activations: NDArray[np.float16]
    primary: NDArray[np.int64]


@dataclass(frozen=True)
class Prepared:
    """All that a run learns from and with.

    Attributes:
        learner: What will learn.
        front: Runs before it.
        photographs: What it learns from.
        prompts: Text features of every prompt.
        held_out: What it is validated on.
    """

    learner: Learner
    front: Front
    photographs: Photographs
    prompts: PromptFeatures
    held_out: HeldOut


def starting_point(recipe: LabelRecipe, labels: LabelSet, work: Path) -> StartingTowers:
    """Build the towers: an earlier model's, or published ones.

    Args:
        recipe: Settings.
        labels: Candidate labels.
        work: Where the text tower's config and tokenizer are written.

    Raises:
        ModelError: The earlier model's folder cannot be used.
    """
    torch.manual_seed(recipe.seed)
    asked, size = recipe.towers, recipe.picture.size
    if asked.start is not None:
        return towers_to_go_on_from(asked.start, work, size, asked.drop)
    texts = training_prompts(labels, load_catalogue(), recipe.data.prompt_style, recipe.data.template).texts
    return starting_towers(work, texts, asked.frequent_pieces, asked.embed_dim, size, asked.drop)


def prepare(
    recipe: LabelRecipe,
    manifest: Manifest,
    labels: LabelSet,
    start: StartingTowers,
    device: torch.device,
    tell: Callable[[str], None],
) -> Prepared:
    """Compute what does not learn, or find it computed before.

    Args:
        recipe: Settings.
        manifest: Photographs with the splits ``train`` and ``val``.
        labels: Candidate labels.
        start: Towers; what learns shares its parameters with them.
        device: Where to compute.
        tell: Receives a line on what takes long.

    Raises:
        ValueError: The manifest, a label or a photograph cannot be used.
    """
    catalogue, picture = load_catalogue(), recipe.picture
    train_rows, val_rows = manifest.where("train").rows, manifest.where("val").rows
    train_rows += rendered_rows(recipe, labels, tell)
    train_labels, train_primary = label_matrix(train_rows, labels, catalogue)
    _, val_primary = label_matrix(val_rows, labels, catalogue)
    prompts = training_prompts(labels, catalogue, recipe.data.prompt_style, recipe.data.template)
    towers = cast(Any, start.towers)
    spoken = cached_text_features(towers.text, start.tokenizer, prompts.texts, recipe.cache)
    towers = towers.to(device).to(memory_format=torch.channels_last)
    stages = ImageStages(towers.visual, recipe.towers.frozen_stages)
    activations = Activations(stages, picture.preprocess, picture.augmentation, recipe.seed, recipe.cache)
    views: Views
    if picture.views:
        views = KeptViews(activations.of(train_rows, picture.views))
    else:
        views = FreshViews(_squares(train_rows, recipe), picture.augmentation, picture.preprocess)
    learner = Learner(stages.back, towers.text.proj, towers.logit_scale, recipe.compute.precision)
    return Prepared(
        learner,
        _as_they_are if picture.views else lambda pixels: stages.activations(pixels).float(),
        Photographs(views, train_labels, train_primary, source_numbers(train_rows)),
        PromptFeatures(spoken, torch.from_numpy(prompts.owner)).to(device),
        HeldOut(activations.of(val_rows, 1), val_primary),
    )


def rendered_rows(
    recipe: LabelRecipe, labels: LabelSet, tell: Callable[[str], None]
) -> tuple[ManifestRow, ...]:
    """Render phantoms of the label set's diagnoses, or find those rendered before."""
    count = recipe.data.phantoms
    if not count:
        return ()
    folder = recipe.cache / f"phantoms-{count}-{PHANTOM_SEED}"
    path = folder / "manifest.csv"
    if not path.exists():
        tell(f"rendering {count} phantoms")
        known = [id for id in phantom.LABELS if id in set(labels.ids)]
        phantom.write_dataset(folder, count, known, PHANTOM_SEED)
    return read_manifest(path).rows


def source_numbers(rows: Sequence[ManifestRow]) -> NDArray[np.int64]:
    """Number the sources of photographs, (N,)."""
    return np.unique([row.source for row in rows], return_inverse=True)[1].astype(np.int64)


def _squares(rows: Sequence[ManifestRow], recipe: LabelRecipe) -> NDArray[np.uint8]:
    """Photographs so large that the smallest crop still has a pixel for each of the view's.

    Raises:
        ImageReadError: One cannot be read.
    """
    picture = recipe.picture
    side = math.ceil(picture.size / picture.augmentation.min_scale)
    squares = cached_squares(rows, replace(picture.preprocess, size=side), recipe.cache)
    for problem in squares.problems.values():
        raise ImageReadError(problem)
    return squares.pixels


def _as_they_are(activations: Tensor) -> Tensor:
    return activations
