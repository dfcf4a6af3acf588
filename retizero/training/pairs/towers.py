"""Both towers behind one forward pass, and what of them learns."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from retizero.model.retizero.lora import QueryValueLora
from retizero.model.retizero.network import MAX_LOGIT_SCALE, RetiZero
from retizero.training.errors import ConfigError
from retizero.training.pairs.recipe import TowerSettings

SIGLIP_SCALE, SIGLIP_BIAS = math.log(10), -10.0  # where Zhai et al. 2023 start
_HEADS = ("logit_scale", "logit_bias", ".projection.", ".visual.head.", ".text.proj.")


class PairTowers(nn.Module):
    """Both towers behind one forward pass, which is what DDP and FSDP need.

    Args:
        network: ``RetiZero`` or open_clip's ``CustomTextCLIP``.
        settings: What of it learns.
        biased: Whether logits have a bias, as SigLIP's do; it is not part of the model that is written.

    Raises:
        ConfigError: LoRA is asked for and the image tower has no attention to put it in.
    """

    def __init__(self, network: nn.Module, settings: TowerSettings, biased: bool = False) -> None:
        super().__init__()
        self.network = network
        self.logit_bias = nn.Parameter(torch.tensor(SIGLIP_BIAS)) if biased else None
        self._still: list[nn.Module] = []
        trunk, text = _trunks(network)
        if settings.image != "full":
            trunk.requires_grad_(False)
            self._still.append(trunk)
        if settings.image == "lora":
            add_lora(trunk, settings.lora_rank)
            for module in trunk.modules():
                if isinstance(module, QueryValueLora):
                    for name, part in module.named_children():
                        part.requires_grad_(name != "qkv")
        if settings.text == "frozen":
            text.requires_grad_(False)
            self._still.append(text)
        if isinstance(network, RetiZero) and network.text.bert.pooler is not None:
            network.text.bert.pooler.requires_grad_(False)  # RetiZero does not read it

    def forward(
        self, pixels: Tensor, ids: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Embed photographs and captions.

        Args:
            pixels: (N, 3, S, S).
            ids: (N, L) token ids.
            mask: (N, L), 1 at tokens.

        Returns:
            (N, D) and (N, D) float32, unit norm; scale and bias of the logits, scalars.
        """
        scale = cast(Tensor, self.network.logit_scale).float().exp()
        bias = None if self.logit_bias is None else self.logit_bias.float() * 1.0
        return self.images(pixels), self.texts(ids, mask), scale, bias

    def images(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, D) float32, unit norm."""
        return normalize(cast(Any, self.network).encode_image(pixels).float(), dim=-1)

    def texts(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(N, L) to (N, D) float32, unit norm; open_clip's tower finds the padding by itself."""
        network = cast(Any, self.network)
        own = isinstance(network, RetiZero)
        return normalize(
            (network.encode_text(ids, mask) if own else network.encode_text(ids)).float(), dim=-1
        )

    def train(self, mode: bool = True) -> PairTowers:
        """Set the mode; what does not learn stays in evaluation mode (no dropout, fixed statistics)."""
        super().train(mode)
        for module in self._still:
            module.eval()
        return self

    @torch.no_grad()
    def settle(self) -> None:
        """Keep the scale of the logits within [1, 100], as CLIP and the release do."""
        cast(Tensor, self.network.logit_scale).clamp_(0, MAX_LOGIT_SCALE)

    def checkpoint_blocks(self) -> None:
        """Compute activations of the blocks again in the backward pass instead of keeping them."""
        trunk, text = _trunks(self.network)
        if hasattr(trunk, "set_grad_checkpointing"):
            cast(Any, trunk).set_grad_checkpointing(True)
        bert = cast(Any, text)
        recompute = getattr(bert, "activation_checkpointing_enable", None)  # its name today
        (recompute or bert.gradient_checkpointing_enable)()

    @property
    def heads(self) -> set[str]:
        """Names of the parameters that learn at the head's rate: projections, scale and bias."""
        return {name for name, _ in self.named_parameters() if any(part in f".{name}" for part in _HEADS)}

    @property
    def blocks(self) -> list[nn.Module]:
        """Transformer blocks of both towers: what FSDP shards one by one."""
        found: list[nn.Module] = []
        for module in self.network.modules():
            if isinstance(module, nn.ModuleList | nn.Sequential) and len(module) and _is_block(module[0]):
                found += list(module)
        return found


def add_lora(trunk: nn.Module, rank: int) -> None:
    """Put LoRA beside query and value of every attention that has none yet.

    Raises:
        ConfigError: There is no such attention.
    """
    for module in list(trunk.modules()):
        projection = getattr(module, "qkv", None)
        if isinstance(projection, nn.Linear) and not isinstance(module, QueryValueLora):
            module.qkv = QueryValueLora(projection, rank)
    if not any(isinstance(module, QueryValueLora) for module in trunk.modules()):
        raise ConfigError(
            "towers.image lora needs a vision transformer; this image tower has no attention: use full."
        )


def fold_lora(network: nn.Module) -> None:
    """Add every LoRA update to its weight and drop the extra layers."""
    for module in list(network.modules()):
        if isinstance(projection := getattr(module, "qkv", None), QueryValueLora):
            cast(Any, module).qkv = projection.folded()


def _trunks(network: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Return both towers without their projections."""
    if isinstance(network, RetiZero):
        return network.image.vit, network.text.bert
    towers = cast(Any, network)
    return towers.visual.trunk, towers.text.transformer


def _is_block(module: nn.Module) -> bool:
    return any(name in ("attn", "attention") for name, _ in module.named_children())
