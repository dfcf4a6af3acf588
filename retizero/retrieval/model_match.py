"""Whether vectors of two models can be compared, and the sentence that refuses it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

from retizero.retrieval.errors import GalleryError

# The fields of a model identity that decide its image embeddings; calibration and words do not. A field that
# an identity lacks has the value it had before the field was introduced.
_DECIDING: dict[str, Any] = {
    "id": None,
    "architecture": None,
    "embed_dim": None,
    "preprocess": None,
    "weights_sha256": None,
    "pooling": None,
    "mirror": False,
}


class HasIdentity(Protocol):
    """A model identity object, such as ``retizero.model.ModelIdentity``."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        ...


Identity = Mapping[str, Any] | HasIdentity


def plain(identity: Identity) -> dict[str, Any]:
    """Return an identity as plain values for JSON."""
    return dict(identity) if isinstance(identity, Mapping) else identity.to_dict()


def fingerprint(identity: Mapping[str, Any]) -> str:
    """SHA-256 over what decides a model's image embeddings, 64 hex digits.

    Two galleries with one fingerprint can be compared, merged and asked by the same model.
    """
    canonical = json.dumps(_deciding(identity), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def require_same_model(gallery: object, made_by: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse a model whose vectors cannot be compared with a gallery's.

    Args:
        gallery: The gallery's place, for the sentence.
        made_by: Identity of the model that made the gallery.
        asked: Identity of the model that wants to ask or change it.

    Raises:
        GalleryError: Another model, other weights or another preprocessing made it.
    """
    before, now = _deciding(made_by), _deciding(asked)
    if differing := [name for name in _DECIDING if before[name] != now[name]]:
        raise GalleryError(
            f"The gallery {gallery} was made by {_name(made_by)} and cannot answer {_name(asked)}: "
            f"they differ in {', '.join(differing)}; build it again with that model."
        )


def _deciding(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: identity.get(name, default) for name, default in _DECIDING.items()}


def _name(identity: Mapping[str, Any]) -> str:
    weights = str(identity.get("weights_sha256", ""))[:8]
    return f"{identity.get('id', 'an unnamed model')}" + (f" (weights {weights})" if weights else "")
