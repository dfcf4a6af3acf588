"""Loss scaling for fp16 (Micikevicius et al. 2018), for weights that are sharded or not.

``torch.amp.GradScaler`` cannot unscale the gradients of sharded weights together with those of single
numbers, which FSDP leaves whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor

from retizero.training.running.diverged import DivergedError

_START, _LEAST = 2.0**16, 2.0**-24
_STEPS_TO_GROW = 2000


class LossScale:
    """Multiplies losses so that small gradients do not vanish; halves when they overflow, doubles in calm.

    Args:
        enabled: Where not, nothing is scaled.
        value: First factor.
    """

    def __init__(self, enabled: bool, value: float = _START) -> None:
        self.enabled, self.value, self._calm = enabled, value if enabled else 1.0, 0

    def scale(self, loss: Tensor) -> Tensor:
        """Return the loss to call ``backward`` on."""
        return loss * self.value if self.enabled else loss

    def unscale(self, parameters: Iterable[Tensor]) -> None:
        """Bring gradients back to size."""
        for parameter in parameters:
            if self.enabled and parameter.grad is not None:
                parameter.grad.mul_(1 / self.value)

    def judge(self, norm: float) -> bool:
        """Adapt to the norm of the gradients, unscaled; return whether a step may be made with them.

        Raises:
            DivergedError: They have overflowed however small the factor became.
        """
        if math.isfinite(norm):
            self._calm += 1
            if self._calm == _STEPS_TO_GROW:
                self.value, self._calm = self.value * 2, 0
            return True
        self.value, self._calm = self.value / 2, 0
        if self.value < _LEAST:
            raise DivergedError(
                "Gradients are no longer numbers in fp16, whatever the scale of the loss; set "
                "compute.precision to bf16 or fp32."
            )
        return False

    def state_dict(self) -> dict[str, float]:
        """Return plain values."""
        return {"value": self.value, "calm": self._calm}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go back to where ``state_dict`` was taken."""
        self.value, self._calm = state["value"], int(state["calm"])
