"""From pixels and a text to a grid of evidence, by the method that suits the image tower."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.serving.evidence.attention import recorded_attention
from retizero.serving.evidence.convolution import activation_map, recorded_features
from retizero.serving.evidence.transformer import patches, reads_class_token, relevance, rollout

Method = Literal["auto", "relevance", "rollout", "cam"]
METHODS: tuple[str, ...] = get_args(Method)


def methods_of(model: DualEncoder) -> tuple[Method, ...]:
    """Methods that explain a model, the best first: a transformer's, or that of a convolutional tower."""
    return ("relevance", "rollout") if _attends(model.image_tower) else ("cam",)


def method_for(model: DualEncoder, asked: str = "auto") -> Method:
    """The method that explains a model: ``relevance`` for transformers, ``cam`` for convolutional towers.

    Raises:
        ModelError: The method is unknown, or the image tower cannot be explained by it.
    """
    if asked not in METHODS:
        raise ModelError(f"The method {asked!r} is unknown; use one of {', '.join(METHODS)}.")
    fitting = methods_of(model)
    if asked == "auto":
        return fitting[0]
    found = next((method for method in fitting if method == asked), None)
    if found is None:
        kind = "convolutional: use cam" if fitting == ("cam",) else "a transformer: use relevance or rollout"
        raise ModelError(f"{asked} does not suit the image tower of {model.identity.id}, which is {kind}.")
    return found


def evidence_grid(
    model: DualEncoder, pixels: NDArray[np.float32], direction: NDArray[np.float32], method: Method
) -> NDArray[np.float32]:
    """Evidence of each patch, or place of the last features, for a text.

    Where the model embeds a photograph together with its mirror image, both are explained and added.

    Args:
        model: Its weights stay as they are.
        pixels: (3, S, S) from ``model.preprocess``.
        direction: (D,), what the embedding is compared with.
        method: What ``method_for`` returned.

    Returns:
        (G, G) float32, 0 to 1, the largest 1; all 0 where nothing speaks for the text.
    """
    views = torch.from_numpy(np.ascontiguousarray(pixels))[None].to(model.device)
    if model.identity.mirror:
        views = torch.cat((views, views.flip(-1)))
    towards = torch.from_numpy(np.asarray(direction, np.float32)).to(model.device)
    with model.lend() as embed, torch.set_grad_enabled(method != "rollout"):
        if method == "cam":
            with recorded_features(model.image_tower) as features:
                score = _score(embed(views), towards)
            grids = activation_map(features[-1], score)
        else:
            with recorded_attention(model.image_tower) as attention:
                score = _score(embed(views), towards)
            first = reads_class_token(model.image_tower)
            spread = rollout(attention, first) if method == "rollout" else relevance(attention, score, first)
            grids = patches(spread)
    if method == "rollout":  # every patch has some share: what is common to all says nothing
        grids = grids - grids.amin(dim=(1, 2), keepdim=True)
    grid = grids[0] if len(grids) == 1 else grids[0] + grids[1].flip(-1)
    return np.asarray((grid / grid.max().clamp(min=1e-12)).cpu().numpy(), np.float32)


def _score(embedded: Tensor, towards: Tensor) -> Tensor:
    """Similarity of a photograph, given by its views (N, D), to a direction."""
    return normalize(embedded.sum(dim=0), dim=0) @ towards


def _attends(tower: nn.Module) -> bool:
    return any(
        isinstance(each, nn.MultiheadAttention) or hasattr(each, "fused_attn") for each in tower.modules()
    )
