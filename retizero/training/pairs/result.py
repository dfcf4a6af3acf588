"""Write trained towers as a model folder, calibrated where there are photographs to calibrate on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from retizero.model.identity import ModelIdentity
from retizero.model.open_clip_folder import TEXT, build_towers, write_open_clip_folder, write_text_tower_files
from retizero.model.retizero.config import RetiZeroConfig
from retizero.model.retizero.folder import write_folder
from retizero.model.retizero.network import RetiZero
from retizero.training.pairs.recipe import PairRecipe
from retizero.training.pairs.start import Start
from retizero.training.pairs.towers import add_lora, fold_lora


def write_trained(
    folder: Path, start: Start, weights: Mapping[str, Tensor], recipe: PairRecipe
) -> ModelIdentity:
    """Write a model folder, replacing an unfinished one.

    Args:
        folder: New folder.
        start: Sizes, tokenizer and preprocessing.
        weights: All weights of ``start.towers`` by name, whole, on the CPU.
        recipe: Names and terms for the identity.

    Returns:
        The identity as written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    own = {
        name.removeprefix("network."): tensor
        for name, tensor in weights.items()
        if name.startswith("network.")
    }
    identity = _identity(start, recipe)
    if isinstance(start.sizes, RetiZeroConfig):
        network = RetiZero.without_weights(start.sizes)
        network.load_state_dict(own, strict=True)
        return write_folder(folder, network, start.sizes, identity, start.tokenizer)
    model, text = dict(start.sizes.model), dict(start.sizes.text)
    write_text_tower_files(folder / TEXT, text, start.tokenizer)
    towers = build_towers(model, folder)
    if any(".linear_a_q." in name for name in own):
        rank = next(len(tensor) for name, tensor in own.items() if ".linear_a_q." in name)
        add_lora(cast(Any, towers).visual.trunk, rank)
    towers.load_state_dict(own, strict=True)
    fold_lora(towers)
    return write_open_clip_folder(folder, towers, model, text, start.tokenizer, identity)


def _identity(start: Start, recipe: PairRecipe) -> ModelIdentity:
    sizes = start.sizes
    pooling: str = "mean over tokens, never over padding"
    if isinstance(sizes, RetiZeroConfig):
        architecture = (
            f"RetiZero: ViT {sizes.vit.embed_dim} x {sizes.vit.depth}, patch {sizes.vit.patch_size}, "
            f"LoRA rank {sizes.vit.lora_rank} + BERT {sizes.bert['hidden_size']} x "
            f"{sizes.bert['num_hidden_layers']}"
        )
        embed_dim, pooling = sizes.embed_dim, sizes.pooling
    else:
        architecture = (
            f"open_clip CustomTextCLIP: timm {sizes.model['vision_cfg']['timm_model_name']} + "
            f"BERT {sizes.text['hidden_size']} x {sizes.text['num_hidden_layers']}"
        )
        embed_dim = int(sizes.model["embed_dim"])
    return ModelIdentity(
        id=recipe.id,
        title=recipe.title or recipe.id,
        architecture=architecture,
        embed_dim=embed_dim,
        preprocess=start.preprocess.to_dict(),
        weights_sha256="",
        template=recipe.data.template,
        prompt_style=start.prompt_style,
        pooling=pooling,
        mirror=start.mirror,
        trained_on=recipe.trained_on,
        licence=recipe.licence,
    )
