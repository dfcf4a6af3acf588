"""A linear classifier on a model's features, in one small JSON file that names the model it belongs to."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.data.atomic_write import atomic_write_text
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity, sha256_of

FORMAT, VERSION = "retizero-linear-head", 1


@dataclass(frozen=True)
class LinearHead:
    """Logits of classes from features.

    Attributes:
        ids: K class ids, of the catalogue or ``free:<text>``.
        names: What the classes are called.
        weights: (K, F) float64.
        bias: (K,) float64.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(N, F) features to (N, K) logits."""
        return np.asarray(features.astype(np.float64) @ self.weights.T + self.bias)


@dataclass(frozen=True)
class StoredHead:
    """A head with what it was made from.

    Attributes:
        head: The classifier.
        model: Identity of the model whose features it reads.
        features: ``embedding`` or ``tower`` (before the projection).
        method: How it was made.
        temperature: Divides the logits before the softmax.
        examples: Photographs of each class that it was made from.
    """

    head: LinearHead
    model: ModelIdentity
    features: str
    method: str
    temperature: float
    examples: tuple[int, ...]

    def to_json(self) -> str:
        """Return JSON that ``read_head`` reads; numbers with 8 significant digits."""
        head = self.head
        return json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "model": self.model.to_dict(),
                "features": self.features,
                "method": self.method,
                "temperature": self.temperature,
                "classes": [
                    {"id": id, "name": name, "examples": count}
                    for id, name, count in zip(head.ids, head.names, self.examples, strict=True)
                ],
                "weights": [[float(f"{value:.8g}") for value in row] for row in head.weights],
                "bias": [float(f"{value:.8g}") for value in head.bias],
            },
            ensure_ascii=False,
        )

    def as_identity(self, path: Path) -> ModelIdentity:
        """Identity of the model with this head; the file's SHA-256 stands for the weights."""
        return replace(
            self.model,
            id=path.stem,
            title=f"{self.method} on {self.model.title}",
            weights_sha256=sha256_of(path),
            temperature=self.temperature,
            conformal=None,
            label_set_version="",
            trained_on=f"{sum(self.examples)} labelled photographs on top of: {self.model.trained_on}",
        )

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        atomic_write_text(path, self.to_json() + "\n")

    def require(self, identity: ModelIdentity) -> None:
        """Refuse any model but the one whose features the head reads.

        Raises:
            ModelError: The weights or the preprocessing are others.
        """
        same = (identity.weights_sha256, identity.preprocess, identity.mirror)
        if same != (self.model.weights_sha256, self.model.preprocess, self.model.mirror):
            raise ModelError(
                f"This classifier was made for the model {self.model.id} with weights "
                f"{self.model.weights_sha256[:12]} at {self.model.preprocess.get('size')} pixels, not for "
                f"{identity.id} with {identity.weights_sha256[:12]} at {identity.preprocess.get('size')}."
            )


def read_head(path: Path) -> StoredHead:
    """Read a head file.

    Raises:
        ModelError: It is missing, or not such a file.
    """
    try:
        return head_from_json(path.read_text(encoding="utf-8"), path.name)
    except OSError as error:
        raise ModelError(f"The classifier {path} cannot be read.") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path.name} is not a classifier made by this software.") from error


def head_from_json(text: str, name: str) -> StoredHead:
    """Read what ``StoredHead.to_json`` wrote.

    Raises:
        ModelError: It is something else; ``name`` is what the message calls it.
    """
    try:
        values = json.loads(text)
        if values["format"] != FORMAT or values["version"] != VERSION:
            raise ValueError
        classes = values["classes"]
        weights = np.array(values["weights"], np.float64)
        bias = np.array(values["bias"], np.float64)
        if weights.ndim != 2 or len(weights) != len(classes) or bias.shape != (len(classes),):
            raise ValueError
        if not (np.isfinite(weights).all() and np.isfinite(bias).all() and values["temperature"] > 0):
            raise ValueError
        return StoredHead(
            LinearHead(
                tuple(str(each["id"]) for each in classes),
                tuple(str(each["name"]) for each in classes),
                weights,
                bias,
            ),
            ModelIdentity.from_dict(values["model"]),
            str(values["features"]),
            str(values["method"]),
            float(values["temperature"]),
            tuple(int(each["examples"]) for each in classes),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{name} is not a classifier made by this software.") from error
