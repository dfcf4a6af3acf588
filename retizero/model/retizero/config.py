"""Sizes of a RetiZero model; the published ones are the defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from retizero.model.errors import ModelError

Pooling = Literal["padding-independent", "official"]

# Bio_ClinicalBERT: BERT-base with the cased vocabulary of 28,996 pieces.
BIO_CLINICAL_BERT: dict[str, Any] = {
    "vocab_size": 28996,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
}


@dataclass(frozen=True)
class ImageTowerConfig:
    """A vision transformer with LoRA on query and value (published: ViT-L/16, rank 8).

    Attributes:
        img_size: Side of the input square in pixels.
        patch_size: Side of a patch in pixels.
        embed_dim: Width.
        depth: Number of blocks.
        num_heads: Attention heads.
        lora_rank: Rank of the updates; 0 leaves them out.
        mlp_ratio: Hidden width of a block's MLP, in widths.
    """

    img_size: int = 224
    patch_size: int = 16
    embed_dim: int = 1024
    depth: int = 24
    num_heads: int = 16
    lora_rank: int = 8
    mlp_ratio: float = 4.0

    def __post_init__(self) -> None:
        _require_counts(
            {name: value for name, value in asdict(self).items() if name not in ("mlp_ratio", "lora_rank")},
            "vit",
        )
        if not _is_count(self.lora_rank, least=0):
            raise ModelError(f"vit.lora_rank must be a whole number from 0, not {self.lora_rank!r}.")
        if self.img_size % self.patch_size:
            raise ModelError(
                f"vit.img_size {self.img_size} is not a multiple of patch_size {self.patch_size}."
            )
        if self.embed_dim % self.num_heads:
            raise ModelError(
                f"vit.embed_dim {self.embed_dim} is not a multiple of num_heads {self.num_heads}."
            )


@dataclass(frozen=True)
class RetiZeroConfig:
    """Both towers and the joint space.

    Attributes:
        vit: Image tower.
        bert: Hugging Face ``BertConfig`` values of the text tower.
        embed_dim: Length of the joint embedding.
        context_length: Longest prompt in tokens.
        pooling: ``padding-independent`` gives every prompt what the release gives it in a call of its own;
            ``official`` pads to the longest prompt of a call and averages the padding too, like the release.
    """

    vit: ImageTowerConfig = field(default_factory=ImageTowerConfig)
    bert: Mapping[str, Any] = field(default_factory=lambda: dict(BIO_CLINICAL_BERT))
    embed_dim: int = 512
    context_length: int = 77
    pooling: Pooling = "padding-independent"

    def __post_init__(self) -> None:
        if missing := [name for name in BIO_CLINICAL_BERT if name not in self.bert]:
            raise ModelError(f"The model config lacks bert.{', bert.'.join(missing)}.")
        _require_counts({name: self.bert[name] for name in BIO_CLINICAL_BERT}, "bert")
        _require_counts({"embed_dim": self.embed_dim, "context_length": self.context_length}, "")
        if self.bert["hidden_size"] % self.bert["num_attention_heads"]:
            raise ModelError("bert.hidden_size is not a multiple of bert.num_attention_heads.")
        if self.bert["num_hidden_layers"] < 2:
            raise ModelError("bert.num_hidden_layers must be at least 2: the pooling reads layers 1 and 2.")
        if self.pooling not in get_args(Pooling):
            raise ModelError(f"pooling must be one of {', '.join(get_args(Pooling))}, not {self.pooling!r}.")

    def with_image_size(self, size: int) -> RetiZeroConfig:
        """Return the same model for another input size."""
        return replace(self, vit=replace(self.vit, img_size=size))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "bert": dict(self.bert)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RetiZeroConfig:
        """Build from ``{"vit": {...}, "bert": {...}, "embed_dim": ...}``; other top-level entries are notes.

        Raises:
            ModelError: A value is missing, unknown or impossible.
        """
        for name in ("vit", "bert"):
            if not isinstance(values.get(name), Mapping):
                raise ModelError(f"The model config has no {name!r} part.")
        if "embed_dim" not in values:
            raise ModelError("The model config lacks embed_dim.")
        vit = values["vit"]
        known = {each.name for each in fields(ImageTowerConfig)}
        if unknown := sorted(set(vit) - known):
            raise ModelError(f"The model config has unknown entries: vit.{', vit.'.join(unknown)}.")
        if missing := sorted(known - {"mlp_ratio"} - set(vit)):
            raise ModelError(f"The model config lacks vit.{', vit.'.join(missing)}.")
        rest = {name: values[name] for name in ("embed_dim", "context_length", "pooling") if name in values}
        return cls(vit=ImageTowerConfig(**vit), bert=dict(values["bert"]), **rest)

    @classmethod
    def from_file(cls, path: Path) -> RetiZeroConfig:
        """Read a JSON file in the form of ``from_dict``.

        Raises:
            ModelError: The file is missing, is not JSON, or holds an impossible config.
        """
        return cls.from_dict(read_json_object(path, "model config"))


def read_json_object(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelError: The file is missing or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"The {what} {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ModelError(f"The {what} {path} is not valid JSON.") from error
    if not isinstance(values, dict):
        raise ModelError(f"The {what} {path} must be a JSON object.")
    return values


def _require_counts(values: Mapping[str, Any], part: str) -> None:
    for name, value in values.items():
        if not _is_count(value, least=1):
            raise ModelError(
                f"{part + '.' if part else ''}{name} must be a whole number from 1, not {value!r}."
            )


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
