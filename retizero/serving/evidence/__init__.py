"""Evidence maps: which parts of a photograph speak for a diagnosis, as the model weighs them."""

from retizero.serving.evidence.answer import Evidence
from retizero.serving.evidence.method import METHODS, Method, evidence_grid, method_for, methods_of

__all__ = ["METHODS", "Evidence", "Method", "evidence_grid", "method_for", "methods_of"]
