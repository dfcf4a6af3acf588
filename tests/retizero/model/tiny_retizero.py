"""A RetiZero of a few thousand random weights, and files of it in the release's layout."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from torch import Tensor

from retizero.model.release_checkpoint import finetuned_name, release_name
from retizero.model.retizero.config import RetiZeroConfig
from retizero.model.retizero.network import RetiZero, RetiZeroClassifier

PIECES = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
    "a", "fundus", "photograph", "of", "retinal", "detachment", "normal",
    *string.ascii_lowercase[1:], *(f"##{letter}" for letter in string.ascii_lowercase), "A", "Normal", "-",
]  # fmt: skip
CONFIG = {
    "vit": {
        "img_size": 32,
        "patch_size": 8,
        "embed_dim": 24,
        "depth": 2,
        "num_heads": 3,
        "lora_rank": 2,
    },
    "bert": {
        "vocab_size": len(PIECES),
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 90,
        "initializer_range": 0.5,
    },
    "embed_dim": 12,
}


def tiny_config() -> RetiZeroConfig:
    return RetiZeroConfig.from_dict(CONFIG)


def tiny_network(seed: int = 0) -> RetiZero:
    """Every weight random, LoRA's second factor too, so that folding changes weights."""
    torch.manual_seed(seed)
    network = RetiZero(tiny_config()).eval()
    with torch.no_grad():
        for parameter in network.image.parameters():
            parameter.normal_(std=0.3)
    return network


def tiny_classifier(classes: int, seed: int = 0) -> RetiZeroClassifier:
    torch.manual_seed(seed)
    network = RetiZeroClassifier(tiny_config().vit, classes).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    return network


def release_tensors(network: RetiZero) -> dict[str, Tensor]:
    return {release_name(name): tensor.clone() for name, tensor in network.state_dict().items()}


def finetuned_tensors(network: RetiZeroClassifier) -> dict[str, Tensor]:
    return {finetuned_name(name): tensor.clone() for name, tensor in network.state_dict().items()}


def write_release(path: Path, network: RetiZero) -> Path:
    torch.save(release_tensors(network), path)
    return path


def write_vocabulary(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return folder
