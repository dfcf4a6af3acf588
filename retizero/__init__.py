"""RetiZero Studio: the model. Knowledge, towers, training, retrieval, evaluation, serving.

Importing this package imports neither torch nor a web framework; ``retizero.Engine`` is loaded on first use.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retizero.serving import Engine

__all__ = ["Engine", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load the serving facade only when it is asked for (it needs torch)."""
    if name == "Engine":
        from retizero.serving import Engine

        return Engine
    raise AttributeError(f"module 'retizero' has no attribute {name!r}")
