"""Attention weights of a vision transformer, taken out of a pass that computes the same as ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


@contextmanager
def recorded_attention(tower: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the attention of every self-attention layer while the block runs.

    timm's layers are made to compute their weights openly instead of fused; PyTorch's ``MultiheadAttention``,
    which open_clip's own transformers use, is computed here.

    Args:
        tower: Any module; without self-attention nothing is collected.

    Yields:
        A list that fills, in the order of the layers, with (N, heads, L, L), rows sum to 1. With gradients
        enabled they are nodes of the graph: the output can be differentiated with respect to them.
    """
    weights: list[Tensor] = []

    def keep(attention: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not attention.requires_grad:
            attention = attention.detach().requires_grad_()  # the graph starts at the first layer
        weights.append(attention)
        return attention

    with ExitStack() as undo:
        for module in tower.modules():
            layer = cast(Any, module)
            if isinstance(module, nn.MultiheadAttention):
                hook = module.register_forward_hook(_openly(keep), with_kwargs=True)
                undo.callback(hook.remove)
            elif isinstance(getattr(module, "attn_drop", None), nn.Module) and hasattr(module, "fused_attn"):
                hook = layer.attn_drop.register_forward_hook(lambda _module, _given, output: keep(output))
                undo.callback(hook.remove)
                undo.callback(setattr, layer, "fused_attn", layer.fused_attn)
                layer.fused_attn = False
        yield weights


def _openly(keep: Any) -> Any:  # noqa: ANN401 - the type of a hook differs between versions of torch
    """Hook that replaces a self-attention's output by the same, computed step by step."""

    def attend(
        layer: nn.MultiheadAttention,
        given: tuple[Tensor, ...],
        options: dict[str, Any],
        output: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        query = given[0]
        if any(other is not query for other in given[1:3]) or layer.in_proj_weight is None:
            return output  # attention between different things: no self-attention of patches
        tokens = query if layer.batch_first else query.transpose(0, 1)
        count, length, width = tokens.shape
        heads = layer.num_heads
        parts = linear(tokens, layer.in_proj_weight, layer.in_proj_bias).reshape(count, length, 3, heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        scores = queries @ keys.transpose(-2, -1) * (width // heads) ** -0.5
        mask = options.get("attn_mask")
        attention = keep((scores if mask is None else scores + mask).softmax(dim=-1))
        mixed = (attention @ values).transpose(1, 2).reshape(count, length, width)
        result = layer.out_proj(mixed)
        return (result if layer.batch_first else result.transpose(0, 1)), None

    return attend
