"""One model from two: their image trunks side by side, their projections added (see ``model.pair_trunk``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from retizero.data import Preprocess, read_image, read_manifest
from retizero.model import load_model
from retizero.model.eight_bits import in_eight_bits
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity
from retizero.model.open_clip_folder import WEIGHTS, read_weights
from retizero.model.pair_trunk import is_pair, pair_name
from retizero.training.combining.average import Combined, model_config, write_combined
from retizero.training.places import require_places

_TRUNK, _HEAD, _TEXT = "visual.trunk.", "visual.head.proj.weight", "text.transformer."
_EVERY, _BATCH = 4, 16  # one in so many validation photographs measures the lengths


def pair_models(
    first: Path, second: Path, out: Path, manifest: Path, labels: str, size: int, mirror: bool
) -> ModelIdentity:
    """Join two models of one text tower, calibrate on the split ``val`` and write a folder.

    Both count alike: before the sum each projection is divided by the mean length of what it gives. Their
    text projections are averaged, so the second must have gone on from the first. The text tower's matrices
    are stored in eight bits, which makes room for the second trunk.

    Args:
        first: A model folder of ``retizero train pretrain``.
        second: One that went on from it.
        out: Folder of the model that is made; files of the same names are replaced at the end.
        manifest: Photographs to measure lengths and calibrate on.
        labels: Candidate labels of the calibration.
        size: Side of the input square, pixels.
        mirror: Embed each photograph together with its mirror image.

    Raises:
        ModelError: A folder is no such model, or their text towers differ.
        ValueError: The manifest, a label or a photograph cannot be used.
    """
    require_places(out)
    config = model_config(first)
    trunks = [model_config(folder)["vision_cfg"].get("timm_model_name") for folder in (first, second)]
    if trunks[0] is None or trunks[0] != trunks[1]:
        raise ModelError("The two models do not have the same timm image tower.")
    if is_pair(trunks[0]):
        raise ModelError("Both models are pairs already; a pair is made of two single towers.")
    config["vision_cfg"]["timm_model_name"] = pair_name(trunks[0])
    lengths = [mean_length(folder, manifest, size) for folder in (first, second)]
    weights = paired(read_weights(first / WEIGHTS), read_weights(second / WEIGHTS), lengths)
    made = Combined(in_eight_bits(weights, _TEXT + "encoder."), config, "; two image trunks side by side")
    return write_combined(made, (first, second), out, manifest, labels, size, mirror)


def paired(first: dict[str, Tensor], second: dict[str, Tensor], lengths: list[float]) -> dict[str, Tensor]:
    """Weights of the pair in half precision.

    Args:
        first: Weights of one model.
        second: Weights of the other, the same names and shapes.
        lengths: Mean length of each one's image embeddings before they are normalised.

    Raises:
        ModelError: Names, shapes or the text towers differ.
    """
    if {k: v.shape for k, v in first.items()} != {k: v.shape for k, v in second.items()}:
        raise ModelError("The two models do not hold the same tensors.")
    if any(not torch.equal(first[name], second[name]) for name in first if name.startswith(_TEXT)):
        raise ModelError("The two models have different text towers; the second must go on from the first.")
    made: dict[str, Tensor] = {}
    for name, tensor in first.items():
        if name.startswith(_TRUNK):
            rest = name.removeprefix(_TRUNK)
            made[f"{_TRUNK}first.{rest}"], made[f"{_TRUNK}second.{rest}"] = tensor, second[name]
        elif name == _HEAD:
            usual = sum(lengths) / 2
            parts = [
                each[name].float() * usual / length
                for each, length in zip((first, second), lengths, strict=True)
            ]
            made[name] = torch.cat(parts, dim=1)
        elif name.startswith(_TEXT):
            made[name] = tensor
        else:
            made[name] = (tensor.float() + second[name].float()) / 2
    return {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in made.items()
    }


def mean_length(folder: Path, manifest: Path, size: int) -> float:
    """Mean length of a model's image embeddings before they are normalised, over validation photographs."""
    encoder = load_model(str(folder), "cpu")
    preprocess = Preprocess.from_dict({**encoder.identity.preprocess, "size": size})
    rows = read_manifest(manifest).where("val").rows[::_EVERY]
    if not rows:
        raise ValueError(f"{manifest} has no photographs of the split val.")
    lengths = []
    for start in tqdm(range(0, len(rows), _BATCH), desc=folder.name, mininterval=10):
        pixels = np.stack([preprocess(read_image(row.image)) for row in rows[start : start + _BATCH]])
        with torch.inference_mode():
            lengths.append(encoder.image_tower(torch.from_numpy(pixels)).float().norm(dim=1))
    return float(torch.cat(lengths).mean())
