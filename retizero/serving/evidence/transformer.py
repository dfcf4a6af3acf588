"""Evidence in a vision transformer: attention rollout, and relevance of patches for a text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from retizero.model.errors import ModelError

_POOLING_WORDS = ("global_pool", "pool_type")  # of timm and of open_clip


def rollout(attention: Sequence[Tensor], class_token: bool) -> Tensor:
    """Attention rollout: where the image's token looks, whatever is asked (Abnar & Zuidema 2020).

    Heads are averaged; the residual connection is half of each layer.

    Args:
        attention: (N, heads, L, L) of every layer, first layer first.
        class_token: Whether the tower reads its answer from the first token; else from the mean of all.

    Returns:
        (N, L) shares of the tokens, sum 1.
    """
    flow: Tensor | None = None
    for weights in attention:
        mean = weights.detach().float().mean(dim=1)
        step = 0.5 * mean + 0.5 * torch.eye(mean.shape[-1], device=mean.device)
        flow = step if flow is None else step @ flow
    if flow is None:
        raise ModelError("There is no attention to follow.")
    return flow[:, 0] if class_token else flow.mean(dim=1)


def relevance(attention: Sequence[Tensor], score: Tensor, class_token: bool) -> Tensor:
    """Relevance of tokens for a score: attention that raises it, followed through the layers.

    The rule of Chefer, Gur & Wolf (2021, "Generic attention-model explainability", equations 5 and 6) for
    self-attention: R = 1, then R += mean over heads of (gradient x attention)+ times R, layer by layer.

    Args:
        attention: (N, heads, L, L) of every layer, nodes of the score's graph.
        score: What is explained, one number.
        class_token: As for ``rollout``.

    Returns:
        (N, L), from 0, no unit; a token's own share of itself is left out.
    """
    gradients = torch.autograd.grad(score, list(attention))
    length = attention[0].shape[-1]
    found = torch.eye(length, device=score.device).expand(len(attention[0]), length, length)
    for weights, gradient in zip(attention, gradients, strict=True):
        raising = (weights.detach().float() * gradient.float()).clamp(min=0).mean(dim=1)
        found = found + raising @ found
    found = found - torch.eye(length, device=score.device)
    return found[:, 0] if class_token else found.mean(dim=1)


def reads_class_token(tower: nn.Module) -> bool:
    """Whether a transformer's answer comes from its first token ."""
    named = [getattr(module, word, None) for module in tower.modules() for word in _POOLING_WORDS]
    return any(name in ("token", "tok") for name in named)


def patches(tokens: Tensor) -> Tensor:
    """Drop what precedes the patches and lay them on their square grid: (N, L) to (N, G, G).

    Raises:
        ModelError: The patches make no square.
    """
    side = int(tokens.shape[1] ** 0.5)
    leading = tokens.shape[1] - side * side
    # Towers have up to a few tokens of their own (class, registers); a grid of other shape would leave more.
    if leading > 8:
        raise ModelError("The patches of this image tower make no square grid; it has no evidence map.")
    return tokens[:, leading:].reshape(len(tokens), side, side)
