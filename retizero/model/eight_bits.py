"""Matrices in a file as whole numbers of eight bits and a scale for each row; floats again in memory.

Halves what half precision takes. A weight moves by at most 1/254 of the largest one in its row.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_SCALE = ".scale"


def in_eight_bits(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Replace every matrix whose name starts with ``prefix`` by ``name`` int8 and ``name.scale`` (rows,)."""
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not (name.startswith(prefix) and tensor.ndim == 2 and tensor.is_floating_point()):
            packed[name] = tensor
            continue
        scale = tensor.float().abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / 127
        packed[name] = (tensor.float() / scale[:, None]).round().to(torch.int8)
        packed[name + _SCALE] = scale
    return packed


def in_floats(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo ``in_eight_bits``: float32 matrices, everything else as it is."""
    scales = {name for name in tensors if name.endswith(_SCALE) and name.removesuffix(_SCALE) in tensors}
    found = {}
    for name, tensor in tensors.items():
        if name + _SCALE in scales:
            found[name] = tensor.float() * tensors[name + _SCALE][:, None]
        elif name not in scales:
            found[name] = tensor
    return found
