"""From a tower's features into the joint space."""

from typing import cast

from torch import Tensor, nn
from torch.nn.functional import normalize


class Projection(nn.Module):
    """Unit-normalise, project linearly without bias, unit-normalise: the same form on both sides.

    Args:
        width: Length of a tower's features.
        embed_dim: Length of the joint embedding.
    """

    def __init__(self, width: int, embed_dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, embed_dim, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width) to (N, D), unit norm."""
        return normalize(cast(Tensor, self.projection(normalize(features, dim=-1))), dim=-1)
