"""Our folder of a RetiZero model: ``config.json``, ``model.safetensors``, identity, tokenizer.

The tokenizer may be absent; then photographs can be embedded and prompts cannot. Weights are stored as they
were given, LoRA unfolded, and folded when they are loaded to serve.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity, sha256_of
from retizero.model.new_folder import new_folder
from retizero.model.release_checkpoint import fill_strictly
from retizero.model.retizero.arithmetic import use_fast_arithmetic
from retizero.model.retizero.config import RetiZeroConfig, read_json_object
from retizero.model.retizero.encoder import RetiZeroEncoder
from retizero.model.retizero.network import RetiZero, RetiZeroClassifier
from retizero.model.retizero.self_check import check_encoder, require_finite
from retizero.model.retizero.tokenizer import has_tokenizer, read_tokenizer, require_vocabulary

CONFIG, WEIGHTS, IDENTITY = "config.json", "model.safetensors", "identity.json"
DUAL_ENCODER, CLASSIFIER = "retizero", "retizero-classifier"


def is_retizero_folder(folder: Path) -> bool:
    """Tell whether a folder is one of ours, by what its config says."""
    if not (folder / CONFIG).is_file():
        return False
    config = read_json_object(folder / CONFIG, "model config")
    return config.get("architecture") in (DUAL_ENCODER, CLASSIFIER)


def read_retizero_folder(folder: Path, device: torch.device, exact: bool = False) -> RetiZeroEncoder:
    """Load a model folder strictly, check it, and fold LoRA.

    Args:
        folder: Written by ``write_folder``.
        device: Where the model goes.
        exact: Plain float32 weights, even where the device has something faster.

    Raises:
        ModelError: A file is missing, damaged or does not fit; the message names it.
    """
    network, identity = read_network(folder)
    tokenizer = read_tokenizer(folder) if has_tokenizer(folder) else None
    encoder = serve(network, tokenizer, identity, device, exact)
    encoder.folder = folder
    return encoder


def read_network(folder: Path) -> tuple[RetiZero, ModelIdentity]:
    """Load the network of a model folder strictly, on the CPU in float32, LoRA not folded: to learn further.

    Raises:
        ModelError: A file is missing, damaged or does not fit; the message names it.
    """
    config, identity = _read_head(folder, DUAL_ENCODER)
    network = RetiZero.without_weights(RetiZeroConfig.from_dict(config))
    _fill(network, folder)
    return network, identity


def read_classifier_folder(folder: Path) -> tuple[RetiZeroClassifier, ModelIdentity]:
    """Load a fine-tuned image classifier strictly, on the CPU in float32, in evaluation mode.

    Raises:
        ModelError: A file is missing, damaged or does not fit; the message names it.
    """
    config, identity = _read_head(folder, CLASSIFIER)
    network = RetiZeroClassifier.without_weights(RetiZeroConfig.from_dict(config).vit, int(config["classes"]))
    _fill(network, folder)
    return network.eval().requires_grad_(False), identity


def serve(
    network: RetiZero,
    tokenizer: Tokenizer | None,
    identity: ModelIdentity,
    device: torch.device,
    exact: bool = False,
) -> RetiZeroEncoder:
    """Make a loaded network ready to answer: LoRA folded, in the arithmetic that is fast on the device.

    Raises:
        ModelError: The weights or answers are not sensible, or the tokenizer belongs to another model.
    """
    if tokenizer is not None:
        require_vocabulary(tokenizer, network.config.bert["vocab_size"])
    require_finite(network, identity.id)
    network.fold()
    network.eval().requires_grad_(False).to(device)
    if not exact:
        identity = replace(identity, arithmetic=use_fast_arithmetic(network, device))
    encoder = RetiZeroEncoder(network, tokenizer, identity, device)
    check_encoder(encoder, has_text=tokenizer is not None)
    return encoder


def write_folder(
    folder: Path,
    network: RetiZero | RetiZeroClassifier,
    config: RetiZeroConfig,
    identity: ModelIdentity,
    tokenizer: Tokenizer | None = None,
) -> ModelIdentity:
    """Write a model folder, all of it or nothing.

    Args:
        folder: Must not exist, or be empty.
        network: Its weights are stored in their own precision.
        config: Sizes of both towers.
        identity: Its ``weights_sha256`` is replaced.
        tokenizer: Left out when None.

    Returns:
        The identity as written.

    Raises:
        ModelError: The folder holds something already.
    """
    values: dict[str, Any] = {"architecture": DUAL_ENCODER, **config.to_dict()}
    if isinstance(network, RetiZeroClassifier):
        values |= {"architecture": CLASSIFIER, "classes": network.classifier.out_features}
    with new_folder(folder) as unfinished:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(tensors, unfinished / WEIGHTS, metadata={"format": "pt"})
        identity = replace(identity, weights_sha256=sha256_of(unfinished / WEIGHTS))
        (unfinished / CONFIG).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        (unfinished / IDENTITY).write_text(identity.to_json(), encoding="utf-8")
        if tokenizer is not None:
            tokenizer.save(str(unfinished / "tokenizer.json"), pretty=False)
    return identity


def _read_head(folder: Path, architecture: str) -> tuple[Mapping[str, Any], ModelIdentity]:
    for name in (CONFIG, WEIGHTS, IDENTITY):
        if not (folder / name).is_file():
            raise ModelError(f"The model folder {folder} lacks {name}.")
    config = read_json_object(folder / CONFIG, "model config")
    if config.get("architecture") != architecture:
        raise ModelError(f"{folder} holds a {config.get('architecture')} where a {architecture} is needed.")
    identity = ModelIdentity.from_json((folder / IDENTITY).read_text(encoding="utf-8"))
    if sha256_of(folder / WEIGHTS) != identity.weights_sha256:
        raise ModelError(f"{folder / WEIGHTS} is not the file that identity.json names (SHA-256 differs).")
    return config, identity


def _fill(network: nn.Module, folder: Path) -> None:
    try:
        stored = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{folder / WEIGHTS} is not a safetensors file that can be read.") from error
    fill_strictly(network, stored, folder / WEIGHTS, str)
