"""A run whose numbers are no longer numbers ends before anything of it is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from torch import Tensor
from torch.distributed.tensor import DTensor


class DivergedError(ValueError):
    """Losses or weights are no longer numbers; the message says what to change."""


def require_numbers(losses: Mapping[str, float], weights: Iterable[Tensor], epoch: int) -> None:
    """Refuse to go on with infinities.

    Args:
        losses: By name.
        weights: Of any type; of sharded ones this process looks at its own part.
        epoch: For the message.

    Raises:
        DivergedError: One of them is not finite.
    """
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    if not broken and not all(bool(_mine(tensor).isfinite().all()) for tensor in weights):
        broken = ["weights"]
    if broken:
        are = (
            "weights are no longer numbers" if broken == ["weights"] else f"{broken[0]} is no longer a number"
        )
        raise DivergedError(
            f"The {are} in epoch {epoch}; lower the learning rate or lengthen the warm-up, and do not train "
            "in fp16. What was saved before is kept."
        )


def _mine(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
