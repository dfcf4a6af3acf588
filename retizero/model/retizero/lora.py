"""Low-rank updates of query and value (LoRA, Hu et al. 2022) that fold into the weights exactly."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn


class QueryValueLora(nn.Module):
    """A joint query-key-value projection with a low-rank update of query and value: no bias, no scaling.

    q += B_q A_q x and v += B_v A_v x; A starts kaiming-uniform(a = sqrt 5), B at zero: no update
    at the start.

    Args:
        qkv: (width) to (3 width), rows ordered query, key, value.
        rank: Rank of each update.
    """

    def __init__(self, qkv: nn.Linear, rank: int) -> None:
        super().__init__()
        width = qkv.in_features
        self.qkv = qkv
        self.linear_a_q = nn.Linear(width, rank, bias=False)
        self.linear_b_q = nn.Linear(rank, width, bias=False)
        self.linear_a_v = nn.Linear(width, rank, bias=False)
        self.linear_b_v = nn.Linear(rank, width, bias=False)
        for a, b in ((self.linear_a_q, self.linear_b_q), (self.linear_a_v, self.linear_b_v)):
            nn.init.kaiming_uniform_(a.weight, a=math.sqrt(5))
            nn.init.zeros_(b.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Project (N, L, width) to (N, L, 3 width)."""
        query, key, value = cast(Tensor, self.qkv(tokens)).chunk(3, dim=-1)
        query = query + self.linear_b_q(self.linear_a_q(tokens))
        value = value + self.linear_b_v(self.linear_a_v(tokens))
        return torch.cat((query, key, value), dim=-1)

    @torch.no_grad()
    def folded(self) -> nn.Linear:
        """Return one linear layer that computes the same: query rows gain B_q A_q, value rows B_v A_v."""
        width = self.qkv.in_features
        weight = self.qkv.weight.double()
        weight[:width] += self.linear_b_q.weight.double() @ self.linear_a_q.weight.double()
        weight[2 * width :] += self.linear_b_v.weight.double() @ self.linear_a_v.weight.double()
        with torch.device("meta"):
            layer = nn.Linear(width, 3 * width, bias=self.qkv.bias is not None)
        layer.weight = nn.Parameter(weight.to(self.qkv.weight.dtype), requires_grad=False)
        if self.qkv.bias is not None:
            layer.bias = nn.Parameter(self.qkv.bias.clone(), requires_grad=False)
        return layer.train(self.training)
