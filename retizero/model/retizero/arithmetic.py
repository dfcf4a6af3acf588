"""The fast arithmetic of the device, where the answers stay those of float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cosine_similarity

from retizero.model.agreement import MIN_COSINE
from retizero.model.device import computes_in_bfloat16
from retizero.model.retizero.network import RetiZero
from retizero.model.retizero.packed_linear import pack_linears


@torch.inference_mode()
def use_fast_arithmetic(network: RetiZero, device: torch.device) -> str:
    """Put the image tower into bfloat16 where the device makes such products, and pack weights on the CPU.

    bfloat16 stays only if two pictures keep their embeddings to a cosine of ``MIN_COSINE``.

    Args:
        network: On the device, folded, in float32 and evaluation mode; changed in place.
        device: Where it lies.

    Returns:
        Type of the image tower's products, ``float32`` or ``bfloat16``.
    """
    if computes_in_bfloat16(device) and _keeps_embeddings(network, device):
        network.image.vit.to(torch.bfloat16).norm.float()
    if device.type == "cpu":
        vit = network.config.vit
        rows = 1 + (vit.img_size // vit.patch_size) ** 2
        pack_linears(network.image.vit, rows)
        pack_linears(network.text.bert, rows)
    return str(network.image.vit.patch_embed.proj.weight.dtype).removeprefix("torch.")


def _keeps_embeddings(network: RetiZero, device: torch.device) -> bool:
    pictures = _pictures(network.config.vit.img_size).to(device)
    half = {
        name: weight if name.startswith("norm.") else weight.to(torch.bfloat16)
        for name, weight in network.image.vit.state_dict().items()
    }
    halved = functional_call(network.image, {f"vit.{name}": each for name, each in half.items()}, pictures)
    cosines = cosine_similarity(network.encode_image(pictures), halved)
    return bool(cosines.min() >= MIN_COSINE)  # False for NaN


def _pictures(size: int) -> Tensor:
    """Two smooth pictures (2, 3, S, S) of the range that normalised photographs have."""
    noise = torch.rand((2, 3, 7, 7), generator=torch.Generator().manual_seed(0)) * 4 - 2
    return torch.nn.functional.interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)
