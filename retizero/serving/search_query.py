"""From what a person asks, a photograph, words, or both, to one vector to search with."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retizero.knowledge import load_catalogue
from retizero.retrieval import GalleryError


class TextEncoder(Protocol):
    """What turns words into vectors, such as ``retizero.Engine``."""

    def embed_text(self, texts: list[str]) -> NDArray[np.float32]:
        """Embed texts as they are: (N, D) float32, unit norm."""
        ...


def text_vector(encoder: TextEncoder, template: str, text: str) -> NDArray[np.float32]:
    """Embed words, (1, D): a disease's name becomes the model's prompt, any other text is taken as it is.

    Args:
        encoder: The model.
        template: Its prompt template with ``{label}``.
        text: A diagnosis by any name of the catalogue, or a description.

    Raises:
        GalleryError: The text is empty.
    """
    words = " ".join(text.split())
    if not words:
        raise GalleryError("The text to search with is empty.")
    name = load_catalogue().resolve(words).name
    return encoder.embed_text([template.format(label=name) if name else words])


def mixed(
    photograph: NDArray[np.float32], words: NDArray[np.float32], share_of_words: float
) -> NDArray[np.float32]:
    """One unit vector (1, D) between a photograph's and a text's, "like this one, but with ...".

    Raises:
        GalleryError: The share is not between 0 and 1.
    """
    if not 0 <= share_of_words <= 1:
        raise GalleryError("The share of the text must be between 0 and 1.")
    between = (1 - share_of_words) * photograph + share_of_words * words
    return np.asarray(between / np.linalg.norm(between, axis=1, keepdims=True), np.float32)
