"""Compare a checkpoint with outputs that the RetiZero release recorded for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retizero.model.errors import ModelError
from retizero.model.release_checkpoint import load_release
from retizero.model.retizero.config import RetiZeroConfig
from retizero.model.retizero.network import RetiZero
from retizero.model.retizero.self_check import require_finite

TOLERANCE = 1e-5  # fp32 on a CPU
INPUTS = ("pixels", "input_ids", "attention_mask")
OUTPUTS = ("image_features", "image_embeds", "text_embeds", "logits_per_image", "retrieval_features")


@dataclass(frozen=True)
class Parity:
    """What ``retizero models check`` reports.

    Attributes:
        missing: Tensors the checkpoint lacks; empty, for anything else is refused.
        unexpected: Tensors the model lacks; empty likewise.
        max_abs_diff: Largest absolute difference by output, LoRA as stored.
        max_abs_diff_folded: The same with LoRA folded into the weights.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    max_abs_diff: dict[str, float]
    max_abs_diff_folded: dict[str, float]

    @property
    def worst(self) -> float:
        """Largest difference of all."""
        return float(np.max([*self.max_abs_diff.values(), *self.max_abs_diff_folded.values()]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "missing": list(self.missing), "unexpected": list(self.unexpected)}


def check_parity(config: Path, checkpoint: Path, recorded: Path) -> Parity:
    """Load a checkpoint of the release strictly and recompute its recorded outputs in float32 on the CPU.

    Args:
        config: JSON with the sizes, see ``RetiZeroConfig.from_dict``.
        checkpoint: File in the release's layout.
        recorded: ``.npz`` with ``INPUTS`` and ``OUTPUTS``; text with the release's pooling over padding.

    Raises:
        CheckpointMismatch: The checkpoint does not fit the config.
        ModelError: A file cannot be read, or the inputs do not fit the model.
    """
    sizes = RetiZeroConfig.from_file(config)
    arrays = _read_arrays(recorded)
    network = load_release(checkpoint, sizes).eval()
    require_finite(network, checkpoint.name)
    _require_fit(arrays, sizes, recorded)
    unfolded = _differences(outputs(network, arrays), arrays, recorded)
    network.fold()
    return Parity((), (), unfolded, _differences(outputs(network, arrays), arrays, recorded))


@torch.inference_mode()
def outputs(network: RetiZero, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Compute every recorded output from the recorded inputs."""
    pixels = torch.from_numpy(inputs["pixels"].astype(np.float32))
    ids = torch.from_numpy(inputs["input_ids"].astype(np.int64))
    mask = torch.from_numpy(inputs["attention_mask"].astype(np.int64))
    tokens = network.image.tokens(pixels)
    features = network.image.vit.norm(tokens)[:, 0]
    image_embeds = network.image.projection(features)
    text_embeds = network.encode_text(ids, mask, "official")
    results = {
        "image_features": features,
        "image_embeds": image_embeds,
        "text_embeds": text_embeds,
        "logits_per_image": network.logits_per_image(image_embeds, text_embeds),
        "retrieval_features": network.image.patch_mean(pixels),
    }
    return {name: np.asarray(value.numpy(), np.float32) for name, value in results.items()}


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (*INPUTS, *OUTPUTS) if name in file.files}
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise ModelError(f"The recorded outputs {path} are not an .npz file that can be read.") from error
    if missing := [name for name in (*INPUTS, *OUTPUTS) if name not in arrays]:
        raise ModelError(f"The recorded outputs {path.name} lack {', '.join(missing)}.")
    return arrays


def _require_fit(arrays: Mapping[str, NDArray[Any]], config: RetiZeroConfig, path: Path) -> None:
    size, pixels, ids = config.vit.img_size, arrays["pixels"], arrays["input_ids"]
    if pixels.ndim != 4 or pixels.shape[1:] != (3, size, size):
        raise ModelError(f"{path.name}: pixels are {pixels.shape}, the config takes (N, 3, {size}, {size}).")
    if ids.ndim != 2 or ids.shape != arrays["attention_mask"].shape:
        raise ModelError(f"{path.name}: input_ids and attention_mask must be (N, L) of one shape.")
    if ids.shape[1] > config.bert["max_position_embeddings"] or ids.size == 0 or pixels.shape[0] == 0:
        raise ModelError(
            f"{path.name}: input_ids {ids.shape} or pixels {pixels.shape} are empty or too long."
        )
    if ids.min() < 0 or ids.max() >= config.bert["vocab_size"]:
        raise ModelError(f"{path.name}: input_ids hold numbers outside the vocabulary.")


def _differences(
    computed: Mapping[str, NDArray[np.float32]], recorded: Mapping[str, NDArray[Any]], path: Path
) -> dict[str, float]:
    differences = {}
    for name in OUTPUTS:
        if computed[name].shape != recorded[name].shape:
            raise ModelError(
                f"{path.name}: {name} is {recorded[name].shape}, the model gives {computed[name].shape}."
            )
        gap = np.abs(computed[name].astype(np.float64) - recorded[name].astype(np.float64))
        differences[name] = float(gap.max())
    return differences
