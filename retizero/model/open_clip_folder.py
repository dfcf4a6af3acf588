"""Read and write a model folder: open_clip config, safetensors, tokenizer, identity. Nothing is fetched.

Layout: ``open_clip_config.json`` (open_clip's own form; ``hf_model_name`` names a folder inside this one),
``model.safetensors`` (half precision, some matrices in eight bits), ``text/config.json`` and
``text/tokenizer.json`` of the text tower, ``identity.json``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

from retizero.model.dual_encoder import DualEncoder
from retizero.model.eight_bits import in_floats
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity, sha256_of

CONFIG, WEIGHTS, IDENTITY, TEXT = "open_clip_config.json", "model.safetensors", "identity.json", "text"


def read_open_clip_folder(folder: Path, device: torch.device) -> DualEncoder:
    """Load a model folder strictly: every tensor accounted for, weights matching the identity.

    Raises:
        ModelError: A file is missing or does not fit; the message names it.
    """
    for name in (CONFIG, WEIGHTS, IDENTITY, f"{TEXT}/config.json", f"{TEXT}/tokenizer.json"):
        if not (folder / name).is_file():
            raise ModelError(f"The model folder {folder} lacks {name}.")
    identity = ModelIdentity.from_json((folder / IDENTITY).read_text(encoding="utf-8"))
    if sha256_of(folder / WEIGHTS) != identity.weights_sha256:
        raise ModelError(f"{folder / WEIGHTS} is not the file that identity.json names (SHA-256 differs).")
    config = open_clip_config(folder)
    towers = build_towers(config, folder)
    load_strictly(towers, folder / WEIGHTS)
    towers.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    tokenizer = Tokenizer.from_file(str(folder / TEXT / "tokenizer.json"))
    return DualEncoder(towers, tokenizer, identity, int(config["text_cfg"]["context_length"]), device, folder)


def open_clip_config(folder: Path) -> dict[str, Any]:
    """Return the ``model_cfg`` part of a model folder's ``open_clip_config.json``."""
    return cast(dict[str, Any], json.loads((folder / CONFIG).read_text(encoding="utf-8"))["model_cfg"])


def build_towers(config: dict[str, Any], folder: Path) -> nn.Module:
    """Build open_clip's ``CustomTextCLIP`` from its config with random weights, offline.

    Args:
        config: The ``model_cfg`` part of ``open_clip_config.json``.
        folder: What a relative ``hf_model_name`` is relative to.
    """
    from open_clip.model import CustomTextCLIP

    from retizero.model.pair_trunk import know_pair

    know_pair(str(config["vision_cfg"].get("timm_model_name", "")))
    text = {**config["text_cfg"], "hf_model_pretrained": False}
    text["hf_model_name"] = str((folder / text["hf_model_name"]).resolve())
    vision = {**config["vision_cfg"], "timm_model_pretrained": False}
    return cast(nn.Module, CustomTextCLIP(int(config["embed_dim"]), vision, text))


def load_strictly(towers: nn.Module, weights: Path) -> None:
    """Fill the towers from a safetensors file in float32.

    Raises:
        ModelError: A tensor is missing, unexpected, or of another shape; the message names it.
    """
    stored, own = read_weights(weights), towers.state_dict()
    missing, unexpected = sorted(own.keys() - stored.keys()), sorted(stored.keys() - own.keys())
    shapes = [
        f"{name} {tuple(stored[name].shape)} instead of {tuple(own[name].shape)}"
        for name in sorted(own.keys() & stored.keys())
        if stored[name].shape != own[name].shape
    ]
    problems = [
        f"{word}: {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}"
        for word, names in (("missing", missing), ("unexpected", unexpected), ("wrong shape", shapes))
        if names
    ]
    if problems:
        raise ModelError(f"{weights.name} does not fit its config; {'; '.join(problems)}.")
    towers.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in stored.items()}, strict=True)


def read_weights(weights: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; matrices in eight bits come as float32.

    Raises:
        ModelError: It is no such file.
    """
    try:
        return in_floats(load_file(weights))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{weights} is not a safetensors file that can be read.") from error


def write_open_clip_folder(
    folder: Path,
    towers: nn.Module,
    config: dict[str, Any],
    text_config: dict[str, Any],
    tokenizer: Tokenizer,
    identity: ModelIdentity,
) -> ModelIdentity:
    """Write a model folder with the weights in half precision.

    Args:
        folder: Made when missing; files of the same names are replaced.
        towers: What ``build_towers`` builds from ``config``.
        config: The ``model_cfg`` part of ``open_clip_config.json``.
        text_config: Hugging Face config of the text tower.
        tokenizer: Fast tokenizer of the text tower.
        identity: Its ``weights_sha256`` is replaced.

    Returns:
        The identity as written.
    """
    write_text_tower_files(folder / TEXT, text_config, tokenizer)
    preprocess = identity.preprocess
    cfg = {
        "model_cfg": config,
        "preprocess_cfg": {
            "size": preprocess["size"],
            "mean": list(preprocess["mean"]),
            "std": list(preprocess["std"]),
            "interpolation": preprocess["interpolation"],
            "resize_mode": "squash",
        },
    }
    (folder / CONFIG).write_text(json.dumps(cfg, indent=2) + "\n", encoding="utf-8")
    halves = {
        name: tensor.detach().cpu().half().contiguous()
        if tensor.is_floating_point()
        else tensor.detach().cpu()
        for name, tensor in towers.state_dict().items()
    }
    save_file(halves, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)  # safetensors writes files that only their owner can read
    identity = replace(identity, weights_sha256=sha256_of(folder / WEIGHTS))
    (folder / IDENTITY).write_text(identity.to_json(), encoding="utf-8")
    return identity


def write_text_tower_files(folder: Path, text_config: dict[str, Any], tokenizer: Tokenizer) -> None:
    """Write the Hugging Face config and tokenizer that ``build_towers`` needs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(text_config, indent=2) + "\n", encoding="utf-8")
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
