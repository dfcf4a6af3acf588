"""Linear layers whose weights lie as the processor's matrix kernels read them.

A plain layer rearranges its weights in every pass, which costs a small batch about a fifth of its time.
oneDNN, which PyTorch brings, rearranges them once; these are the operators that PyTorch's compiler puts in.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

_LEAST = 1 << 16  # weights; a smaller layer gains nothing
_CLOSE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}  # relative to the largest output


class PackedLinear(nn.Module):
    """What a ``nn.Linear`` computes, for inference; gradients reach the input and not the weights.

    Args:
        layer: On the CPU, float32 or bfloat16.
        rows: Usual number of rows of the input, which decides the arrangement; any number is answered.

    Raises:
        RuntimeError: oneDNN cannot do it on this processor.
    """

    def __init__(self, layer: nn.Linear, rows: int) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        # No buffer: a packed tensor can neither be moved nor saved.
        self.packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), rows)
        self.bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, given: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features)."""
        return cast(Tensor, _Product.apply(given, self.packed, self.bias))


class _Product(torch.autograd.Function):
    """Linear map by packed weights."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ANN401
        ctx.packed = packed
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise(given, packed, bias, "none", [], ""))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return gradient @ ctx.packed.to_dense(), None, None


@torch.no_grad()
def pack_linears(network: nn.Module, rows: int) -> bool:
    """Replace every large linear layer of a network on the CPU, in place, one at a time.

    Args:
        network: In evaluation mode, its weights final; their own storage is given up.
        rows: Usual number of rows of the layers' input.

    Returns:
        Whether it was done: only where oneDNN is there and gives the first layer's numbers.
    """
    layers = [
        (parent, name, layer)
        for parent in network.modules()
        for name, layer in parent.named_children()
        if type(layer) is nn.Linear and layer.weight.numel() >= _LEAST
    ]
    if not layers or not _works(layers[0][2], rows):
        return False
    while layers:  # nothing here may hold on to a layer: its weights go when the packed ones are there
        parent, name, layer = layers.pop()
        setattr(parent, name, PackedLinear(layer, rows).eval())
        del layer
    return True


def _works(layer: nn.Linear, rows: int) -> bool:
    if layer.weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if layer.weight.dtype not in _CLOSE:
        return False
    sample = torch.linspace(-1, 1, rows * layer.in_features).reshape(rows, -1).to(layer.weight.dtype)
    expected = linear(sample, layer.weight, layer.bias)
    try:
        computed = PackedLinear(layer, rows)(sample)
    except (RuntimeError, AttributeError):  # no kernel for this type here, or another PyTorch
        return False
    gap = (computed - expected).abs().max()
    return bool(gap <= _CLOSE[layer.weight.dtype] * expected.abs().max())
