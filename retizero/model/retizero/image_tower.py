"""The image tower: a vision transformer with LoRA, its projection, and the embedding used for retrieval."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from timm.models import checkpoint_seq
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import interpolate

from retizero.model.retizero.config import ImageTowerConfig
from retizero.model.retizero.lora import QueryValueLora
from retizero.model.retizero.projection import Projection


class VisionTower(nn.Module):
    """ViT with class token, learned positions and pre-norm blocks; LoRA on query and value of every block.

    Args:
        config: Sizes.
    """

    def __init__(self, config: ImageTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.vit = VisionTransformer(
            img_size=config.img_size,
            patch_size=config.patch_size,
            embed_dim=config.embed_dim,
            depth=config.depth,
            num_heads=config.num_heads,
            mlp_ratio=config.mlp_ratio,
            num_classes=0,
            global_pool="token",
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )
        if config.lora_rank:
            for block in self.vit.blocks:
                attention = cast(Any, block).attn
                attention.qkv = QueryValueLora(attention.qkv, config.lora_rank)

    def tokens(self, pixels: Tensor) -> Tensor:
        """Run the blocks, not the final norm: (N, 3, S, S) to (N, 1 + patches, width), class token first."""
        vit = self.vit
        pixels = pixels.to(vit.patch_embed.proj.weight.dtype)
        hidden = vit.norm_pre(vit.patch_drop(vit._pos_embed(vit.patch_embed(pixels))))
        if vit.grad_checkpointing and torch.is_grad_enabled():
            return cast(Tensor, checkpoint_seq(vit.blocks, hidden, use_reentrant=False))
        return cast(Tensor, vit.blocks(hidden))

    def features(self, pixels: Tensor) -> Tensor:
        """Return the class token after the final norm, (N, width) float32."""
        return cast(Tensor, self.vit.norm(self.tokens(pixels)[:, 0].float()))

    def patch_mean(self, pixels: Tensor) -> Tensor:
        """Return the mean patch token of the last block without the final norm, (N, width) float32."""
        return self.tokens(pixels)[:, 1:].float().mean(dim=1)

    def fold(self) -> None:
        """Add every LoRA update to its weight and drop the extra layers; the function stays the same."""
        for block in self.vit.blocks:
            attention = cast(Any, block).attn
            if isinstance(attention.qkv, QueryValueLora):
                attention.qkv = attention.qkv.folded()

    def freeze_all_but_lora(self) -> None:
        """Let only the LoRA updates learn, as in the paper."""
        self.vit.requires_grad_(False)
        for module in self.vit.modules():
            if isinstance(module, QueryValueLora):
                for layer in (module.linear_a_q, module.linear_b_q, module.linear_a_v, module.linear_b_v):
                    layer.requires_grad_(True)


class ImageTower(VisionTower):
    """Vision tower with the projection into the joint space.

    Args:
        config: Sizes.
        embed_dim: Length of the joint embedding.
    """

    def __init__(self, config: ImageTowerConfig, embed_dim: int) -> None:
        super().__init__(config)
        self.projection = Projection(config.embed_dim, embed_dim)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed (N, 3, S, S) pixels, normalised with ImageNet's mean and deviation: (N, D), unit norm."""
        return cast(Tensor, self.projection(self.features(pixels)))


@torch.no_grad()
def interpolate_positions(positions: Tensor, patches: int) -> Tensor:
    """Resample learned positions to another grid, bicubic, the class token's kept (as MAE and RETFound do).

    Args:
        positions: (1, 1 + g * g, width), class token first.
        patches: Patches of the new square grid.

    Returns:
        (1, 1 + patches, width); the input itself when the grid stays.

    Raises:
        ValueError: Either number of patches is not a square.
    """
    old, new = round((positions.shape[1] - 1) ** 0.5), round(patches**0.5)
    if old * old != positions.shape[1] - 1 or new * new != patches:
        raise ValueError(
            f"Positions of {positions.shape[1] - 1} patches do not go onto {patches}: not square grids."
        )
    if old == new:
        return positions
    grid = positions[:, 1:].float().reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid = interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    resampled = grid.permute(0, 2, 3, 1).reshape(1, patches, -1).to(positions.dtype)
    return torch.cat((positions[:, :1], resampled), dim=1)
