"""Build the embedded model's towers from published weights, with a vocabulary pruned to what it needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from retizero.model.errors import ModelError
from retizero.model.open_clip_folder import (
    CONFIG,
    TEXT,
    WEIGHTS,
    build_towers,
    load_strictly,
    write_text_tower_files,
)
from retizero.model.starting_weights import load_efficientnet_lite2, minilm_folder
from retizero.model.vocabulary import kept_pieces, pruned_tokenizer

CONTEXT_LENGTH = 77
POSITIONS = 128  # of the encoder's 512; prompts are cut at 77
_EMBEDDINGS, _POSITIONS = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"


@dataclass(frozen=True)
class StartingTowers:
    """open_clip towers with everything needed to write them."""

    towers: nn.Module
    config: dict[str, Any]
    text_config: dict[str, Any]
    tokenizer: Tokenizer


def starting_towers(
    folder: Path, texts: Sequence[str], frequent_pieces: int, embed_dim: int, size: int, drop: float
) -> StartingTowers:
    """Build the towers: ImageNet EfficientNet-Lite2, MiniLM sentence encoder, new projections.

    Args:
        folder: Where the text tower's config and tokenizer are written.
        texts: What the pruned vocabulary must still cover piece by piece.
        frequent_pieces: Further vocabulary entries to keep.
        embed_dim: Length of the joint embedding.
        size: Side of the input square, pixels.
        drop: Dropout before the image projection.
    """
    source = minilm_folder()
    full = Tokenizer.from_file(str(source / "tokenizer.json"))
    full.no_padding()
    full.no_truncation()
    pieces = kept_pieces(full, texts, frequent_pieces)
    tokenizer = pruned_tokenizer(full, pieces)
    original = json.loads((source / "config.json").read_text(encoding="utf-8"))
    kept = (
        "hidden_act",
        "hidden_size",
        "intermediate_size",
        "layer_norm_eps",
        "model_type",
        "num_attention_heads",
        "num_hidden_layers",
        "type_vocab_size",
        "initializer_range",
    )
    text_config = {
        **{name: original[name] for name in kept},
        "max_position_embeddings": POSITIONS,
        "pad_token_id": 0,
        "vocab_size": len(pieces),
        "attention_probs_dropout_prob": 0.0,
        "hidden_dropout_prob": 0.0,
    }
    write_text_tower_files(folder / TEXT, text_config, tokenizer)
    config = {
        "embed_dim": embed_dim,
        "vision_cfg": {
            "timm_model_name": "tf_efficientnet_lite2",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "timm_drop": drop,
            "image_size": size,
        },
        "text_cfg": {
            "hf_model_name": TEXT,
            "hf_tokenizer_name": TEXT,
            "hf_model_pretrained": False,
            "hf_proj_type": "linear",
            "hf_pooler_type": "mean_pooler",
            "context_length": CONTEXT_LENGTH,
            "vocab_size": len(pieces),
        },
    }
    towers = build_towers(config, folder)
    _fill(towers, source, full, pieces)
    return StartingTowers(towers, config, text_config, tokenizer)


def towers_to_go_on_from(model: Path, folder: Path, size: int, drop: float) -> StartingTowers:
    """Build the towers of an earlier model with its weights and vocabulary.

    Args:
        model: Folder of the earlier model.
        folder: Where the text tower's config and tokenizer are written.
        size: Side of the input square, pixels.
        drop: Dropout before the image projection.

    Raises:
        ModelError: The folder lacks a file, or its weights do not fit its config.
    """
    for name in (CONFIG, WEIGHTS, f"{TEXT}/config.json", f"{TEXT}/tokenizer.json"):
        if not (model / name).is_file():
            raise ModelError(f"The model folder {model} lacks {name}.")
    config = json.loads((model / CONFIG).read_text(encoding="utf-8"))["model_cfg"]
    config["vision_cfg"] |= {"image_size": size, "timm_drop": drop}
    text_config = json.loads((model / TEXT / "config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(model / TEXT / "tokenizer.json"))
    write_text_tower_files(folder / TEXT, text_config, tokenizer)
    towers = build_towers(config, folder)
    load_strictly(towers, model / WEIGHTS)
    return StartingTowers(towers, config, text_config, tokenizer)


def _fill(network: nn.Module, source: Path, full: Tokenizer, pieces: list[str]) -> None:
    towers = cast(Any, network)
    load_efficientnet_lite2(towers.visual.trunk)
    stored = load_file(source / "model.safetensors")
    weights: dict[str, Tensor] = {
        name: tensor
        for name, tensor in stored.items()
        if not name.startswith("pooler.") and name != "embeddings.position_ids"
    }
    weights[_EMBEDDINGS] = weights[_EMBEDDINGS][torch.tensor([full.token_to_id(piece) for piece in pieces])]
    weights[_POSITIONS] = weights[_POSITIONS][:POSITIONS]
    towers.text.transformer.load_state_dict(weights, strict=True)
