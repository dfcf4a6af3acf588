"""Autocast and what is particular to forward passes that are made twice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from retizero.model.device import computes_in_bfloat16

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Compute products in the precision of the recipe; weights and losses stay float32."""
    if precision == "auto":
        precision = "bf16" if computes_in_bfloat16(device) else "fp32"
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, _TYPES[precision])


@dataclass(frozen=True)
class Dice:
    """State of torch's random numbers on the processor and a device."""

    cpu: torch.Tensor
    device: torch.Tensor | None
    index: torch.device

    @classmethod
    def now(cls, device: torch.device) -> Dice:
        """Remember the state."""
        on_gpu = device.type == "cuda"
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state(device) if on_gpu else None, device)

    def again(self) -> None:
        """Go back to the state, so that dropout falls as it fell."""
        torch.set_rng_state(self.cpu)
        if self.device is not None:
            torch.cuda.set_rng_state(self.device, self.index)


@contextlib.contextmanager
def without_statistics(network: nn.Module) -> Iterator[None]:
    """Let no batch norm count the batches inside the block; they come again."""
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.momentum is not None
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
