"""The engine: one facade for classify, embed and search, with its gate and its confidence."""

from retizero.serving.answers import Classification, Gate, Prediction
from retizero.serving.engine import Engine

__all__ = ["Classification", "Engine", "Gate", "Prediction"]
