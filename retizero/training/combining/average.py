"""One model from several of a family: the mean of their weights (Wortsman et al. 2022, model soups)."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from retizero.data import read_manifest
from retizero.knowledge import label_set, load_catalogue
from retizero.model import load_model
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity, sha256_of
from retizero.model.open_clip_folder import (
    CONFIG,
    IDENTITY,
    TEXT,
    WEIGHTS,
    open_clip_config,
    read_weights,
)
from retizero.training.calibration import calibrate
from retizero.training.labels import label_matrix
from retizero.training.places import move_into_place, require_places, work_folder


def average_models(
    folders: Sequence[Path],
    out: Path,
    manifest: Path,
    labels: str,
    size: int,
    mirror: bool,
    shares: Sequence[float] = (),
) -> ModelIdentity:
    """Average the weights of model folders, calibrate on the split ``val`` and write a folder.

    Only models that went on from one another lie close enough for their mean to be a model; choose on
    validation data whether it is better.

    Args:
        folders: Two or more model folders of one architecture and vocabulary.
        out: Folder of the model that is made; files of the same names are replaced at the end.
        manifest: Photographs to calibrate on.
        labels: Candidate labels of the calibration.
        size: Side of the input square, pixels.
        mirror: Embed each photograph together with its mirror image.
        shares: How much each model counts; even where empty.

    Raises:
        ModelError: Fewer than two models, shares of another number or without a positive sum, or tensors that
            differ in name or shape.
        ValueError: The folder ``out``, the manifest, a label or a photograph cannot be used.
    """
    if len(folders) < 2:
        raise ModelError("An average needs at least two models.")
    if shares and (len(shares) != len(folders) or min(shares) < 0 or not 0 < sum(shares) < math.inf):
        raise ModelError("Give one share for each model, a number, none below 0 and one above.")
    made = Combined(mean_of([folder / WEIGHTS for folder in folders], shares), model_config(folders[0]))
    return write_combined(made, folders, out, manifest, labels, size, mirror)


@dataclass(frozen=True)
class Combined:
    """What was made of several models.

    Attributes:
        weights: For the file.
        config: The ``model_cfg`` part of ``open_clip_config.json``.
        architecture: In words, added to the last model's.
    """

    weights: dict[str, torch.Tensor]
    config: dict[str, Any]
    architecture: str = ""


def model_config(folder: Path) -> dict[str, Any]:
    """The ``model_cfg`` of a folder.

    Raises:
        ModelError: The folder lacks it.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"The model folder {folder} lacks {CONFIG}.")
    return open_clip_config(folder)


def write_combined(
    made: Combined,
    folders: Sequence[Path],
    out: Path,
    manifest: Path,
    labels: str,
    size: int,
    mirror: bool,
) -> ModelIdentity:
    """Write the model made of several, with the last one's identity, calibrated; all of it or nothing.

    Raises:
        ValueError: The folder ``out`` cannot be written, or the manifest, a label or a photograph
            cannot be used.
    """
    require_places(out)
    identity = load_model(str(folders[-1]), "cpu").identity
    chosen = label_set(labels)
    rows = read_manifest(manifest).where("val").rows
    _, primary = label_matrix(rows, chosen, load_catalogue())
    with work_folder(out) as work:
        shutil.copytree(folders[0] / TEXT, work / TEXT)
        save_file(made.weights, work / WEIGHTS, {"format": "pt"})
        (work / WEIGHTS).chmod(0o644)  # safetensors writes files that only their owner can read
        config = json.loads((folders[0] / CONFIG).read_text(encoding="utf-8"))
        config["model_cfg"] = made.config
        config["model_cfg"]["vision_cfg"]["image_size"] = size
        config["preprocess_cfg"]["size"] = size
        (work / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        identity = replace(
            identity,
            architecture=identity.architecture + made.architecture,
            preprocess={**identity.preprocess, "size": size},
            mirror=mirror,
            weights_sha256=sha256_of(work / WEIGHTS),
        )
        (work / IDENTITY).write_text(identity.to_json(), encoding="utf-8")
        identity = calibrate(work, rows, primary, chosen, "val")
        move_into_place(work, out)
    return identity


def mean_of(files: Sequence[Path], shares: Sequence[float] = ()) -> dict[str, torch.Tensor]:
    """Weighted mean of every floating tensor, in its own precision; counters are those of the last file.

    Raises:
        ModelError: The files do not hold tensors of the same names and shapes.
    """
    stored = [read_weights(file) for file in files]
    shapes = [{name: tensor.shape for name, tensor in each.items()} for each in stored]
    for file, each in zip(files, shapes, strict=True):
        if each != shapes[0]:
            raise ModelError(f"{file} does not hold the same tensors as {files[0]}.")
    given = shares or [1.0] * len(files)
    weights = torch.tensor(given, dtype=torch.float64) / sum(given)
    mean = {}
    for name, last in stored[-1].items():
        if last.is_floating_point():
            parts = torch.stack([each[name].double() for each in stored])
            mean[name] = torch.tensordot(weights, parts, 1).to(last.dtype)
        else:
            mean[name] = last
    return mean
