"""Phantoms: procedurally rendered colour fundus photographs, always synthetic, seeded and labelled."""

from retizero.phantom.dataset import SOURCE, write_dataset
from retizero.phantom.diagnoses import LABELS, PhantomError
from retizero.phantom.rendering import eye_of, render

__all__ = ["LABELS", "SOURCE", "PhantomError", "eye_of", "render", "write_dataset"]
