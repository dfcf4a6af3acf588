"""The text tower: BERT, pooled over layers and tokens, and its projection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from retizero.model.retizero.config import Pooling
from retizero.model.retizero.projection import Projection


class TextTower(nn.Module):
    """BERT; its hidden states after layers 1, 2 and the last are averaged over tokens, then over layers.

    Args:
        bert: ``BertConfig`` values; nothing is fetched.
        embed_dim: Length of the joint embedding.
    """

    def __init__(self, bert: Mapping[str, Any], embed_dim: int) -> None:
        super().__init__()
        config = BertConfig(**bert)
        self.bert = BertModel(config)
        self.projection = Projection(config.hidden_size, embed_dim)

    def forward(
        self, ids: Tensor, mask: Tensor | None = None, pooling: Pooling = "padding-independent"
    ) -> Tensor:
        """Embed tokenised prompts.

        Args:
            ids: (N, L) token ids, CLS and SEP included.
            mask: (N, L), 1 at tokens, 0 at padding; None when nothing is padded.
            pooling: ``official`` averages the states at padding too, so that a prompt's embedding depends on
                the longest prompt beside it; ``padding-independent`` averages tokens only.

        Returns:
            (N, D), unit norm.
        """
        mask = torch.ones_like(ids) if mask is None else mask
        out = self.bert(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        states = torch.stack(
            [out.hidden_states[layer] for layer in (1, 2, -1)], dim=1
        ).float()  # (N, 3, L, width)
        if pooling == "official":
            return cast(Tensor, self.projection(states.mean(dim=2).mean(dim=1)))
        kept = mask[:, None, :, None].to(states.dtype)
        return cast(Tensor, self.projection(((states * kept).sum(dim=2) / kept.sum(dim=2)).mean(dim=1)))

    def renew_buffers(self) -> None:
        """Fill BERT's constant buffers, which checkpoints do not hold, after building without memory."""
        embeddings = self.bert.embeddings
        embeddings.position_ids.copy_(torch.arange(embeddings.position_ids.shape[-1]).expand((1, -1)))
        embeddings.token_type_ids.zero_()
