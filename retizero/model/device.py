"""Where a model runs and which arithmetic is fast there."""

from __future__ import annotations

import torch

from retizero.model.errors import ModelError
from retizero.model.zero_gpu import zero_gpu


def choose_device(device: str) -> torch.device:
    """Return the device a name means; ``auto`` takes CUDA, then Apple's, then the processor.

    Raises:
        ModelError: The name is unknown or the device is not there.
    """
    zero_gpu()  # makes its device appear
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, here in available.items() if here))
    kind = device.split(":")[0]
    if kind not in available:
        raise ModelError(f"The device {device!r} is unknown; use auto, cuda, mps or cpu.")
    if not available[kind]:
        raise ModelError(f"The device {device!r} is not available on this machine; use auto or cpu.")
    return torch.device(device)


def computes_in_bfloat16(device: torch.device) -> bool:
    """Tell whether bfloat16 products are made in hardware there, and so faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capable = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in capable)
