"""A loaded model answers sensibly before anybody relies on it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError

MAX_COSINE = (
    0.999  # two different prompts above this: the text side is broken, e.g. weights that were never loaded
)
_PROMPTS = ("A fundus photograph of normal", "A fundus photograph of retinal detachment")


def require_finite(network: nn.Module, name: str) -> None:
    """Refuse weights with NaN or infinity.

    Raises:
        ModelError: The message names the first such tensor.
    """
    for key, tensor in network.state_dict().items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"The weights of {name} are damaged: {key} holds numbers that are not finite.")


def check_encoder(encoder: DualEncoder, has_text: bool) -> None:
    """Embed one picture and two prompts.

    Args:
        encoder: Just loaded.
        has_text: Whether it has a tokenizer.

    Raises:
        ModelError: An embedding has the wrong length, is not finite, or the two prompts are nearly the same.
    """
    name, size = encoder.identity.id, encoder.preprocess.size
    ramp = np.linspace(-1, 1, 3 * size * size, dtype=np.float32).reshape(1, 3, size, size)
    embedded = [encoder.encode_images(ramp)]
    if has_text:
        embedded.append(encoder.encode_texts(_PROMPTS))
    for rows in embedded:
        if rows.shape[1] != encoder.identity.embed_dim or not np.isfinite(rows).all():
            raise ModelError(
                f"{name} gives embeddings that are not {encoder.identity.embed_dim} finite numbers."
            )
    if has_text and (cosine := float(embedded[1][0] @ embedded[1][1])) > MAX_COSINE:
        raise ModelError(
            f"{name} does not tell prompts apart: {_PROMPTS[0]!r} and {_PROMPTS[1]!r} have cosine "
            f"{cosine:.4f}; checkpoint and tokenizer do not belong together, or the text was never trained."
        )
