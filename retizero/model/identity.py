"""What makes two results comparable: the identity of the model that made them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from retizero.model.errors import ModelError

_REQUIRED = ("id", "title", "architecture", "embed_dim", "preprocess", "weights_sha256")


@dataclass(frozen=True)
class ModelIdentity:
    """Everything that decides what a model answers; saved beside the weights, copied into every result.

    Attributes:
        id: Short name, e.g. ``retizero-mini``.
        title: Name for people.
        architecture: Towers in words.
        embed_dim: Length of the joint embedding.
        preprocess: ``Preprocess.to_dict()``.
        weights_sha256: SHA-256 of the weights file.
        template: Prompt template with ``{label}``.
        prompt_style: Which catalogue prompts stand for a label, see ``retizero.knowledge.prompts``.
        pooling: How token states become one text vector.
        mirror: A photograph's embedding is the mean of its own and its mirror image's.
        temperature: Divides the logits before the softmax (Guo et al. 2017), fitted on validation data.
        conformal: Split-conformal threshold with the candidate list it belongs to, or None.
        label_set_version: Label set and version that calibration used, empty where there was none.
        trained_on: Data in words.
        licence: Terms of the weights.
        arithmetic: What computes the image embeddings on this machine, e.g. ``bfloat16``; known once a model
            is loaded. It changes them within the agreement gate (``MIN_COSINE``).
    """

    id: str
    title: str
    architecture: str
    embed_dim: int
    preprocess: dict[str, Any]
    weights_sha256: str
    template: str = "A fundus photograph of {label}"
    prompt_style: str = "template"
    pooling: str = "mean"
    mirror: bool = False
    temperature: float = 1.0
    conformal: dict[str, Any] | None = None
    label_set_version: str = ""
    trained_on: str = ""
    licence: str = ""
    arithmetic: str = "float32"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON, 64 hex digits."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """Return indented JSON that ``from_json`` reads."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelIdentity:
        """Build from ``to_dict``'s values.

        Raises:
            ModelError: A field is missing or unknown.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ModelError(f"The model identity has unknown fields: {', '.join(unknown)}.")
        if missing := [name for name in _REQUIRED if name not in values]:
            raise ModelError(f"The model identity lacks: {', '.join(missing)}.")
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> ModelIdentity:
        """Read what ``to_json`` wrote.

        Raises:
            ModelError: The text is not such JSON.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ModelError(f"The model identity is not valid JSON (line {error.lineno}).") from error
        if not isinstance(values, dict):
            raise ModelError("The model identity must be a JSON object.")
        return cls.from_dict(values)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
