"""Image tower, text tower, dual encoder; reading and writing checkpoints; the registry of known models."""

from typing import TYPE_CHECKING

from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity

if TYPE_CHECKING:
    from retizero.model.dual_encoder import DualEncoder
    from retizero.model.registry import ModelInfo, known_models, load_model

__all__ = ["DualEncoder", "ModelError", "ModelIdentity", "ModelInfo", "known_models", "load_model"]


def __getattr__(name: str) -> object:
    """Load what needs torch only when it is asked for."""
    if name in ("ModelInfo", "known_models", "load_model"):
        from retizero.model import registry

        return getattr(registry, name)
    if name == "DualEncoder":
        from retizero.model.dual_encoder import DualEncoder

        return DualEncoder
    raise AttributeError(f"module 'retizero.model' has no attribute {name!r}")
