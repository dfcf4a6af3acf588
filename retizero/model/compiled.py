"""The image tower compiled for this machine by ``torch.compile``, where it then gives the same answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from retizero.model.agreement import Agreement, measure_agreement
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.export.sample import Sample, phantom_sample
from retizero.model.export.towers import ExportedEncoder

_PHANTOMS = ("normal-fundus", "drusen", "glaucoma", "macular-hole", "cataract", "retinitis-pigmentosa")


def compile_image_tower(model: DualEncoder, sample: Sample | None = None) -> Agreement:
    """Compile, in place; takes seconds for a small tower and minutes for a large one.

    Args:
        model: Freshly loaded, weights not packed: the compiler packs them itself.
        sample: What to compare on; a few phantoms when None.

    Returns:
        How near the compiled tower's answers are.

    Raises:
        ModelError: The machine has no compiler that works, the model runs outside PyTorch, or the compiled
            tower does not give the same answers; the model then answers as before.
    """
    if isinstance(model, ExportedEncoder):
        raise ModelError(f"{model.identity.id} is exported and runs outside PyTorch: it cannot be compiled.")
    compared = sample or phantom_sample(model, _PHANTOMS)
    reference = _Recorded(model, compared)
    options: dict[str, Any] = {"freezing": True} if model.device.type == "cpu" else {}
    plain = model.image_pass
    model.image_pass = torch.compile(plain, options=options or None)
    try:
        agreement = measure_agreement(reference, model, compared.pixels, compared.prompts, compared.words)
        agreement.require(f"The compiled {model.identity.id}")
    except ModelError:
        model.image_pass = plain
        raise
    except Exception as error:  # compilers fail in any way
        model.image_pass = plain
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"torch.compile does not work on this machine: {reason}") from error
    model.identity = replace(model.identity, arithmetic=f"{model.identity.arithmetic}, compiled")
    return agreement


class _Recorded:
    """What the plain model answered."""

    def __init__(self, model: DualEncoder, sample: Sample) -> None:
        self.has_text = model.has_text
        self._images = model.encode_images(sample.pixels)
        self._texts = model.encode_texts(sample.prompts) if model.has_text else self._images[:0]

    def encode_images(self, pixels: Any) -> Any:  # noqa: ANN401 - arrays in, arrays out
        """Return the recorded embeddings."""
        return self._images

    def encode_texts(self, texts: Any) -> Any:  # noqa: ANN401 - as above
        """Return the recorded embeddings."""
        return self._texts
