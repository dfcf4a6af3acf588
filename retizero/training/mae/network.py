"""A masked autoencoder around our vision transformer (He et al. 2022), with RETFound's names of weights."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from retizero.model.retizero.config import ImageTowerConfig
from retizero.model.retizero.image_tower import VisionTower


class MaskedAutoencoder(nn.Module):
    """Encodes the patches it may see and paints the others.

    Args:
        config: Sizes of the encoder, without LoRA.
        width: Width of the decoder, a multiple of 4.
        depth: Blocks of the decoder.
        heads: Attention heads of the decoder.
        masked: Share of the patches that is hidden.
        normalise: Paint patches of zero mean and unit variance.
    """

    def __init__(
        self, config: ImageTowerConfig, width: int, depth: int, heads: int, masked: float, normalise: bool
    ) -> None:
        super().__init__()
        self.config, self.normalise = config, normalise
        side = config.img_size // config.patch_size
        self.hidden = min(side * side - 1, max(1, round(masked * side * side)))
        self.vit = VisionTower(config).vit
        self.vit.pos_embed = nn.Parameter(sine_positions(config.embed_dim, side), requires_grad=False)
        self.decoder_embed = nn.Linear(config.embed_dim, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_pos_embed = nn.Parameter(sine_positions(width, side), requires_grad=False)
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        self.decoder_blocks = nn.ModuleList(
            Block(width, heads, config.mlp_ratio, qkv_bias=True, norm_layer=norm) for _ in range(depth)
        )
        self.decoder_norm = norm(width)
        self.decoder_pred = nn.Linear(width, config.patch_size**2 * 3)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, pixels: Tensor, noise: Tensor) -> Tensor:
        """Mean squared error of the painted patches.

        Args:
            pixels: (N, 3, S, S), normalised.
            noise: (N, patches); the patches with the largest values are hidden.

        Returns:
            Scalar, float32, mean over hidden patches.
        """
        order = noise.argsort(dim=1)
        seen, hidden = order[:, : -self.hidden], order[:, -self.hidden :]
        painted = self.paint(self.encode(pixels, seen), order)
        target = patches(pixels, self.config.patch_size).float()
        if self.normalise:
            mean, variance = target.mean(dim=-1, keepdim=True), target.var(dim=-1, keepdim=True)
            target = (target - mean) / (variance + 1e-6).sqrt()
        error = (painted.float() - target).square().mean(dim=-1)
        return error.gather(1, hidden).mean()

    def encode(self, pixels: Tensor, seen: Tensor) -> Tensor:
        """Encode the seen patches (N, V): (N, 1 + V, width of the encoder), class token first."""
        vit = cast(Any, self.vit)
        tokens = vit.patch_embed(pixels) + vit.pos_embed[:, 1:]
        tokens = tokens.gather(1, seen[..., None].expand(-1, -1, tokens.shape[-1]))
        first = (vit.cls_token + vit.pos_embed[:, :1]).expand(len(tokens), -1, -1)
        return cast(Tensor, vit.norm(vit.blocks(torch.cat((first, tokens), dim=1))))

    def paint(self, encoded: Tensor, order: Tensor) -> Tensor:
        """Paint all patches in place, (N, patches, 3 * patch * patch); ``order`` lists seen ones first."""
        tokens = self.decoder_embed(encoded)
        empty = self.mask_token.to(tokens.dtype).expand(len(tokens), order.shape[1] + 1 - tokens.shape[1], -1)
        spread = torch.cat((tokens[:, 1:], empty), dim=1)
        back = order.argsort(dim=1)[..., None].expand(-1, -1, spread.shape[-1])
        tokens = torch.cat((tokens[:, :1], spread.gather(1, back)), dim=1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            tokens = block(tokens)
        return cast(Tensor, self.decoder_pred(self.decoder_norm(tokens))[:, 1:])


def patches(pixels: Tensor, side: int) -> Tensor:
    """Cut (N, 3, S, S) into (N, patches, side * side * 3), row by row."""
    count, channels, height, width = pixels.shape
    grid = pixels.reshape(count, channels, height // side, side, width // side, side)
    return grid.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def sine_positions(width: int, side: int) -> Tensor:
    """Sines and cosines of both axes of a square grid, (1, 1 + side * side, width); 0 for the class token."""
    quarter = width // 4
    rates = 1.0 / 10000 ** (torch.arange(quarter, dtype=torch.float64) / quarter)
    along = torch.arange(side, dtype=torch.float64)[:, None] * rates
    waves = torch.cat((along.sin(), along.cos()), dim=1)  # (side, width / 2)
    columns = waves[None].expand(side, -1, -1)
    rows = waves[:, None].expand(-1, side, -1)
    grid = torch.cat((columns, rows), dim=-1).reshape(1, side * side, -1)
    rest = width - grid.shape[-1]
    padded = (
        torch.nn.functional.pad(grid, (0, rest, 1, 0))
        if rest
        else torch.nn.functional.pad(grid, (0, 0, 1, 0))
    )
    return padded.float()
