"""Read the files of the RetiZero release strictly: every tensor is accounted for, or the file is refused."""

from __future__ import annotations

import argparse
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from retizero.model.errors import ModelError
from retizero.model.retizero.config import RetiZeroConfig
from retizero.model.retizero.image_tower import interpolate_positions
from retizero.model.retizero.network import RetiZero, RetiZeroClassifier

# The one entry that older files carry and newer ones do not: constant numbers, not weights.
DROPPED = "text_model.model.embeddings.position_ids"

_RELEASE_NAMES = (
    (r"^image\.vit\.", "vision_model.model.lora_vit."),
    (r"^image\.projection\.", "vision_model.projection_head_vision."),
    (r"^text\.bert\.", "text_model.model."),
    (r"^text\.projection\.", "text_model.projection_head_text."),
)
_FINETUNED_NAMES = ((r"^image\.vit\.", "img_encoder.lora_vit."),)


# Plain values that training scripts leave beside tensors: command line arguments, NumPy numbers.
_NUMPY_NUMBER: Any = np.float64(0).__reduce__()[0]
_HARMLESS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    argparse.Namespace,
    np.dtype,
    np.dtypes.Float64DType,
    np.dtypes.Float32DType,
    _NUMPY_NUMBER,
]


class CheckpointMismatch(ModelError):
    """A checkpoint does not hold exactly the tensors that the model has.

    Attributes:
        missing: Names the model has and the file lacks.
        unexpected: Names the file has and the model lacks.
        wrong_shape: Names of both, with different shapes, as ``name (file) instead of (model)``.
    """

    def __init__(
        self, path: Path, missing: Iterable[str], unexpected: Iterable[str], wrong_shape: Iterable[str]
    ) -> None:
        self.missing, self.unexpected = sorted(missing), sorted(unexpected)
        self.wrong_shape = sorted(wrong_shape)
        parts = [
            f"{word} {', '.join(names[:6])}{f' and {len(names) - 6} more' if len(names) > 6 else ''}"
            for word, names in (
                ("missing", self.missing),
                ("unexpected", self.unexpected),
                ("of wrong shape", self.wrong_shape),
            )
            if names
        ]
        super().__init__(f"{path.name} does not fit the model: {'; '.join(parts)}.")


def read_tensors(path: Path) -> dict[str, Any]:
    """Read a PyTorch file without running anything in it (``weights_only=True``).

    Returns:
        Its entries, unchecked; tensors on the CPU.

    Raises:
        ModelError: The file is missing, damaged, holds code, or is not a dictionary.
    """
    if not path.is_file():
        raise ModelError(f"There is no checkpoint {path}.")
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            values = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # garbage read as a pickle fails in any way
        raise ModelError(f"{path.name} is not a PyTorch checkpoint that can be read safely.") from error
    if not isinstance(values, dict):
        raise ModelError(
            f"{path.name} holds a {type(values).__name__} where a dictionary of tensors belongs."
        )
    return values


def load_release(path: Path, config: RetiZeroConfig) -> RetiZero:
    """Load a file in the release's layout (592 entries at the published size).

    Raises:
        CheckpointMismatch: Anything is missing, unexpected or of another shape.
        ModelError: The file cannot be read.
    """
    stored = {name: value for name, value in read_tensors(path).items() if name != DROPPED}
    network = RetiZero.without_weights(config)
    fill_strictly(network, stored, path, release_name)
    return network


def load_finetuned(path: Path, config: RetiZeroConfig) -> RetiZeroClassifier:
    """Load what the release's fine-tuning wrote: ``img_encoder.*`` and ``classifier.*``.

    Raises:
        CheckpointMismatch: Anything is missing, unexpected or of another shape.
        ModelError: The file cannot be read.
    """
    values = read_tensors(path)
    stored = values["state_dict"] if isinstance(values.get("state_dict"), dict) else values
    weight = stored.get("classifier.weight")
    classes = weight.shape[0] if isinstance(weight, Tensor) and weight.ndim == 2 else 1
    network = RetiZeroClassifier.without_weights(config.vit, classes)
    fill_strictly(network, stored, path, finetuned_name)
    return network


def is_finetuned(path: Path) -> bool:
    """Tell whether a file has the layout of the release's fine-tuning."""
    values = read_tensors(path)
    stored = values["state_dict"] if isinstance(values.get("state_dict"), dict) else values
    return any(name.startswith(("img_encoder.", "classifier.")) for name in stored)


def release_name(own: str) -> str:
    """Return what the release calls one of our tensors."""
    return _renamed(own, _RELEASE_NAMES)


def finetuned_name(own: str) -> str:
    """Return what the release's fine-tuning calls one of our tensors."""
    return _renamed(own, _FINETUNED_NAMES)


def fill_strictly(
    network: nn.Module, stored: Mapping[str, Any], path: Path, name_in_file: Callable[[str], str]
) -> None:
    """Copy stored tensors into a network of exactly these tensors.

    Args:
        network: Its weights are replaced.
        stored: Tensors by the file's names.
        path: The file, for the message.
        name_in_file: Our name to the file's name.

    Raises:
        CheckpointMismatch: Anything is missing, unexpected or of another shape.
        ModelError: An entry is no tensor of such numbers.
    """
    own = network.state_dict()
    wanted = {name_in_file(name): name for name in own}
    common = wanted.keys() & stored.keys()
    strange = sorted(name for name in common if not _is_like(stored[name], own[wanted[name]]))
    if strange:
        raise ModelError(f"{path.name} holds something other than numbers under {', '.join(strange[:6])}.")
    shapes = [
        f"{name} {tuple(stored[name].shape)} instead of {tuple(own[wanted[name]].shape)}"
        for name in common
        if stored[name].shape != own[wanted[name]].shape
    ]
    missing, unexpected = wanted.keys() - stored.keys(), stored.keys() - wanted.keys()
    if missing or unexpected or shapes:
        raise CheckpointMismatch(path, missing, map(str, unexpected), shapes)
    network.load_state_dict({wanted[name]: stored[name] for name in common}, strict=True)


@torch.no_grad()
def at_image_size(network: RetiZero, size: int) -> RetiZero:
    """Return the model for another input size, its positions interpolated; itself when the size stays."""
    config = network.config.with_image_size(size)
    if config == network.config:
        return network
    resized = RetiZero.without_weights(config)
    weights = network.state_dict()
    patches = (size // config.vit.patch_size) ** 2
    weights["image.vit.pos_embed"] = interpolate_positions(weights["image.vit.pos_embed"], patches)
    resized.load_state_dict(weights, strict=True)
    return resized


def _is_like(value: object, own: Tensor) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() == own.is_floating_point()


def _renamed(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in pairs:
        name, found = re.subn(pattern, replacement, name)
        if found:
            break
    return name
