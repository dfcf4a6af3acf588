"""One run from a manifest to a calibrated model folder."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from retizero import phantom
from retizero.data import Manifest, ManifestRow, Preprocess, read_manifest
from retizero.knowledge import LabelSet, label_set, load_catalogue
from retizero.model.identity import ModelIdentity
from retizero.model.image_stages import ImageStages
from retizero.model.open_clip_folder import write_open_clip_folder
from retizero.training.calibration import calibrate
from retizero.training.checkpoint import checkpoint_path, sole_run
from retizero.training.config import PretrainConfig
from retizero.training.features import cached_activations
from retizero.training.labels import label_matrix, training_prompts
from retizero.training.learner import Learner
from retizero.training.loop import Evaluate, PromptFeatures, TrainingImages, train
from retizero.training.places import require_places
from retizero.training.prompt_features import cached_text_features
from retizero.training.starting_towers import StartingTowers, starting_towers, towers_to_go_on_from
from retizero.training.views import FreshViews, KeptViews, Views, kept_squares

PHANTOM_SEED = 5201  # of training; the demo's phantoms and the tests' come from other seeds
LEARNING_CURVE = "learning_curve.json"
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # of the published EfficientNet-Lite weights


@dataclass(frozen=True)
class Prepared:
    """All that a run learns from and with.

    Attributes:
        learner: What will learn; shares its parameters with ``start.towers``.
        images: Photographs of split ``train``, phantoms included.
        prompts: Text features of every prompt.
        evaluate: Scores on the split ``val``.
        labels: Candidate labels.
        held_out: Rows of the split ``val`` and the index of each one's primary label.
        start: Towers, tokenizer and configs, for writing.
        preprocess: How photographs become pixels.
    """

    learner: Learner
    images: TrainingImages
    prompts: PromptFeatures
    evaluate: Evaluate
    labels: LabelSet
    held_out: tuple[tuple[ManifestRow, ...], NDArray[np.int64]]
    start: StartingTowers
    preprocess: Preprocess


def pretrain(
    config: PretrainConfig, manifest: Manifest, resume: bool = False
) -> tuple[ModelIdentity, list[dict[str, float]]]:
    """Train, choose on the validation split, calibrate on it, and write the model folder.

    Args:
        config: Settings.
        manifest: Photographs with the splits ``train`` and ``val``.
        resume: Go on where a killed run of the same settings was last saved.

    Returns:
        The identity and one row of scores per epoch.

    Raises:
        ImageReadError: A photograph cannot be read.
        ValueError: A place, the manifest or a label cannot be used, another run is writing the checkpoint, or
            the run diverged.
    """
    out, checkpoint = Path(config.out), checkpoint_path(config)
    require_places(out, checkpoint.parent)
    with sole_run(checkpoint), work_folder(out) as work:
        run = prepare(config, manifest, work)
        history = train(run.learner, run.images, run.prompts, config, run.evaluate, _tell, checkpoint, resume)
        write_model(work, run.start, config, run.preprocess)
        (work / LEARNING_CURVE).write_text(json.dumps(history, indent=1), encoding="utf-8")
        rows, primary = run.held_out
        identity = calibrate(work, rows, primary, run.labels, "val")
        move_into_place(work, out)
        checkpoint.unlink()
    return identity, history


def prepare(config: PretrainConfig, manifest: Manifest, work: Path) -> Prepared:
    """Build the towers and compute what does not learn, or find it computed before.

    Args:
        config: Settings.
        manifest: Photographs with the splits ``train`` and ``val``.
        work: Where the text tower's config and tokenizer are written.

    Raises:
        ValueError: The manifest, a label or a photograph cannot be used.
    """
    torch.manual_seed(config.seed)
    catalogue, labels = load_catalogue(), label_set(config.label_set)
    train_rows, val_rows = manifest.where("train").rows, manifest.where("val").rows
    train_rows += rendered_rows(config, labels)
    train_labels, train_primary = label_matrix(train_rows, labels, catalogue)
    _, val_primary = label_matrix(val_rows, labels, catalogue)
    prompts = training_prompts(labels, catalogue, config.prompt_style, config.template)
    if config.start:
        start = towers_to_go_on_from(Path(config.start), work, config.size, config.drop)
    else:
        start = starting_towers(
            work, prompts.texts, config.frequent_pieces, config.embed_dim, config.size, config.drop
        )
    towers = cast(Any, start.towers).to(memory_format=torch.channels_last)
    stages = ImageStages(towers.visual, config.frozen_stages)
    preprocess = Preprocess(config.size, MEAN, STD, config.crop, "bicubic")

    def activations(chosen: Sequence[ManifestRow], views: int) -> NDArray[np.float16]:
        return cached_activations(
            chosen, stages, preprocess, config.augmentation, views, config.seed, Path(config.cache)
        )

    val_activations = activations(val_rows, 1)
    views: Views
    if config.views:
        views = KeptViews(activations(train_rows, config.views))
    else:  # the smallest crop still has a pixel for each of the view's
        side = math.ceil(config.size / config.augmentation.min_scale)
        squares = kept_squares(train_rows, replace(preprocess, size=side), Path(config.cache))
        views = FreshViews(squares, config.augmentation, preprocess, stages, config.seed)
    images = TrainingImages(views, train_labels, train_primary, source_numbers(train_rows))
    spoken = cached_text_features(towers.text, start.tokenizer, prompts.texts, Path(config.cache))
    features = PromptFeatures(spoken, torch.from_numpy(prompts.owner))
    learner = Learner(stages.back, towers.text.proj, towers.logit_scale)
    evaluate = validation(val_activations, val_primary, features, len(labels))
    return Prepared(learner, images, features, evaluate, labels, (val_rows, val_primary), start, preprocess)


def rendered_rows(config: PretrainConfig, labels: LabelSet) -> tuple[ManifestRow, ...]:
    """Render ``config.phantoms`` phantoms of the label set's diagnoses, or find those rendered before."""
    if not config.phantoms:
        return ()
    folder = Path(config.cache) / f"phantoms-{config.phantoms}-{PHANTOM_SEED}"
    path = folder / "manifest.csv"
    if not path.exists():
        _tell(f"rendering {config.phantoms} phantoms")
        known = [id for id in phantom.LABELS if id in set(labels.ids)]
        phantom.write_dataset(folder, config.phantoms, known, PHANTOM_SEED)
    return read_manifest(path).rows


def source_numbers(rows: Sequence[ManifestRow]) -> NDArray[np.int64]:
    """Number the sources of photographs, (N,)."""
    return np.unique([row.source for row in rows], return_inverse=True)[1].astype(np.int64)


@contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """Name a folder beside ``out`` for a model in the making: not there at first, gone afterwards."""
    work = out.with_name(f".{out.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def move_into_place(work: Path, out: Path) -> None:
    """Move a finished model folder's files over an older one, which stays whole until then."""
    for path in sorted(work.rglob("*")):
        if path.is_file():
            target = out / path.relative_to(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    shutil.rmtree(work)


def validation(
    activations: NDArray[np.float16], primary: NDArray[np.int64], prompts: PromptFeatures, count: int
) -> Evaluate:
    """Return a function that scores a learner by text prompts on held-out activations (N, 1, C, H, W).

    Scores are NaN where embeddings have lost their unit norm, as those of weights that overflow have.
    """

    def evaluate(learner: Learner) -> dict[str, float]:
        with torch.inference_mode():
            prototypes = prompts.prototypes(learner, count)
            parts = [
                learner.images(torch.from_numpy(activations[start : start + 64, 0].astype(np.float32)))
                for start in range(0, len(activations), 64)
            ]
            embeddings = torch.cat(parts)
            whole = all(bool((each.norm(dim=1) > 0.5).all()) for each in (embeddings, prototypes))
            order = (embeddings @ prototypes.T).argsort(dim=1, descending=True).numpy()
        hit = order == primary[:, None]
        recalls = [hit[primary == label, 0].mean() for label in np.unique(primary)]
        top = {f"top{k}": float(hit[:, :k].any(axis=1).mean()) for k in (1, 3, 5)}
        balanced = float(np.mean(recalls))
        score = (top["top1"] + top["top3"] + top["top5"] + balanced) / 4
        scores = {**top, "balanced": balanced, "score": score}
        return scores if whole else dict.fromkeys(scores, math.nan)

    return evaluate


def write_model(
    out: Path, start: StartingTowers, config: PretrainConfig, preprocess: Preprocess
) -> ModelIdentity:
    """Write the trained towers, not yet calibrated."""
    identity = ModelIdentity(
        id=config.id,
        title=config.title,
        architecture="open_clip CustomTextCLIP: timm tf_efficientnet_lite2 + MiniLM-L6 sentence encoder",
        embed_dim=config.embed_dim,
        preprocess=preprocess.to_dict(),
        weights_sha256="",
        template=config.template,
        prompt_style=config.prompt_style,
        pooling="mean over tokens, never over padding",
        mirror=config.mirror,
        trained_on=config.trained_on,
        licence=config.licence,
    )
    return write_open_clip_folder(
        out, start.towers, start.config, start.text_config, start.tokenizer, identity
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
