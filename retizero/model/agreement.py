"""Whether a faster form of a model still gives its answers: the gate before it may be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retizero.model.errors import ModelError

MIN_COSINE = 0.995  # between an embedding and its faster form, for every photograph and prompt
TOP = 5  # best labels that must come in the same order


class Embeds(Protocol):
    """What is compared: a ``DualEncoder`` or something that answers like one."""

    has_text: bool

    def encode_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, D), unit norm."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (N, D), unit norm."""


@dataclass(frozen=True)
class Agreement:
    """How near the answers of two forms of a model are.

    Attributes:
        sample: What was compared, in words.
        photographs: How many.
        prompts: How many candidate labels; 0 where the model has no text side.
        min_image_cosine: Between the two embeddings of a photograph, the least.
        min_text_cosine: The same of prompts; None without text.
        same_order: Photographs whose five best labels come in the same order; None without text.
    """

    sample: str
    photographs: int
    prompts: int
    min_image_cosine: float
    min_text_cosine: float | None
    same_order: int | None

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the faster form from being used, in words; empty when it agrees."""
        found = []
        cosines = (("photographs", self.min_image_cosine), ("prompts", self.min_text_cosine))
        for what, cosine in cosines:
            if cosine is not None and not cosine >= MIN_COSINE:
                found.append(f"embeddings of {what} keep only a cosine of {cosine:.4f} (least: {MIN_COSINE})")
        if self.same_order is not None and self.same_order < self.photographs:
            found.append(
                f"the five best labels changed for {self.photographs - self.same_order} of "
                f"{self.photographs} photographs"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with the verdict."""
        return {**asdict(self), "min_cosine": MIN_COSINE, "passed": not self.problems}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Agreement:
        """Build from ``to_dict``'s values; the verdict is made anew.

        Raises:
            ModelError: A value is missing.
        """
        try:
            return cls(**{name: values[name] for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise ModelError(f"The stored agreement lacks {error.args[0]}.") from error

    def require(self, what: str) -> None:
        """Refuse a form that does not agree.

        Raises:
            ModelError: The message says why.
        """
        if self.problems:
            raise ModelError(
                f"{what} does not give the answers of the model it was made from and is not used: "
                f"{'; '.join(self.problems)}."
            )


def measure_agreement(
    reference: Embeds,
    candidate: Embeds,
    pixels: NDArray[np.float32],
    prompts: Sequence[str],
    sample: str,
) -> Agreement:
    """Compare two forms of a model.

    Args:
        reference: Plain float32.
        candidate: The faster form.
        pixels: (N, 3, S, S) preprocessed photographs.
        prompts: One per candidate label.
        sample: What the photographs are, in words.
    """
    images = reference.encode_images(pixels), candidate.encode_images(pixels)
    text_cosine = same = None
    if reference.has_text:
        texts = reference.encode_texts(prompts), candidate.encode_texts(prompts)
        text_cosine = _least_cosine(*texts)
        best = [
            np.argsort(-(image @ text.T), axis=1, kind="stable")[:, :TOP]
            for image, text in zip(images, texts, strict=True)
        ]
        same = int((best[0] == best[1]).all(axis=1).sum())
    return Agreement(
        sample,
        len(pixels),
        len(prompts) if reference.has_text else 0,
        _least_cosine(*images),
        text_cosine,
        same,
    )


def _least_cosine(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    cosines = (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    return float(np.nan_to_num(cosines, nan=-1.0).min())
