"""Where pretraining of RetiZero starts: RETFound's image encoder and a BERT folder, as in the paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from retizero.model.errors import ModelError
from retizero.model.release_checkpoint import fill_strictly, read_tensors
from retizero.model.retizero.config import RetiZeroConfig, read_json_object
from retizero.model.retizero.image_tower import VisionTower, interpolate_positions
from retizero.model.retizero.network import RetiZero
from retizero.model.retizero.text_tower import TextTower

# What RETFound's files hold beside the encoder: the classification head and the MAE decoder.
_NOT_ENCODER = ("head.", "mask_token", "decoder_")
# What BERT's files hold beside the encoder: heads of masked language modelling; constant numbers.
_NOT_BERT = ("cls.", "embeddings.position_ids")


def initial_network(
    config: RetiZeroConfig, retfound: Path | None = None, bert: Path | None = None
) -> RetiZero:
    """Build a network to pretrain: RETFound frozen under new LoRA, BERT and projections free to learn.

    Args:
        config: Sizes; with ``bert`` those of the text tower come from its folder.
        retfound: RETFound checkpoint; None starts from random weights.
        bert: Local BERT folder; None starts from random weights.

    Raises:
        CheckpointMismatch: A file does not fit the sizes.
        ModelError: A file is missing or cannot be read.
    """
    if bert is not None:
        config = replace(config, bert=bert_sizes(bert))
    network = RetiZero(config)
    if retfound is not None:
        load_retfound(network.image, retfound)
    if bert is not None:
        load_bert(network.text, bert)
    network.image.freeze_all_but_lora()
    return network


def load_retfound(tower: VisionTower, path: Path) -> None:
    """Fill the frozen weights from RETFound's ``model`` entry: head dropped, positions interpolated.

    Raises:
        CheckpointMismatch: Anything of the encoder is missing, unexpected or of another shape.
        ModelError: The file cannot be read.
    """
    values = read_tensors(path)
    if not isinstance(values.get("model"), dict):
        raise ModelError(f"{path.name} is not a RETFound checkpoint: it has no 'model' entry.")
    entries = values["model"].items()
    stored = {name: value for name, value in entries if not name.startswith(_NOT_ENCODER)}
    positions = stored.get("pos_embed")
    if isinstance(positions, Tensor):
        patches = (tower.config.img_size // tower.config.patch_size) ** 2
        try:
            stored["pos_embed"] = interpolate_positions(positions, patches)
        except ValueError as error:
            raise ModelError(f"{path.name}: {error}") from error
    plain = VisionTower(replace(tower.config, lora_rank=0))
    fill_strictly(plain, stored, path, lambda name: name.removeprefix("vit."))
    weights = plain.state_dict()
    own = tower.vit.state_dict()
    for name in own:
        if (source := f"vit.{name.replace('.qkv.qkv.', '.qkv.')}") in weights:
            own[name] = weights[source]
    tower.vit.load_state_dict(own, strict=True)


def bert_sizes(folder: Path) -> dict[str, Any]:
    """Read the ``BertConfig`` values that decide sizes and arithmetic from a folder's ``config.json``.

    Raises:
        ModelError: The file is missing or describes no BERT.
    """
    values = read_json_object(folder / "config.json", "BERT config")
    if values.get("model_type", "bert") != "bert":
        raise ModelError(f"{folder} holds a {values['model_type']} model, not BERT.")
    names = (
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "max_position_embeddings", "type_vocab_size", "hidden_act", "layer_norm_eps", "hidden_dropout_prob",
        "attention_probs_dropout_prob", "pad_token_id",
    )  # fmt: skip
    return {name: values[name] for name in names if name in values}


def load_bert(tower: TextTower, folder: Path) -> None:
    """Fill BERT from a local folder: ``model.safetensors`` or ``pytorch_model.bin``.

    Names may begin with ``bert.``. A pooler that the file lacks stays random: RetiZero does not read it.

    Raises:
        CheckpointMismatch: Anything else is missing, unexpected or of another shape.
        ModelError: The folder holds no weights that can be read.
    """
    path = folder / "model.safetensors"
    if path.is_file():
        try:
            values: dict[str, Any] = load_file(path)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is not a safetensors file that can be read.") from error
    elif (path := folder / "pytorch_model.bin").is_file():
        values = read_tensors(path)
    else:
        raise ModelError(f"{folder} holds neither model.safetensors nor pytorch_model.bin.")
    stored = {_today(name): value for name, value in values.items()}
    stored = {name: value for name, value in stored.items() if not name.startswith(_NOT_BERT)}
    if not any(name.startswith("pooler.") for name in stored):
        pooler = {
            name: value for name, value in tower.bert.state_dict().items() if name.startswith("pooler.")
        }
        stored |= pooler
    fill_strictly(tower.bert, stored, path, str)


def _today(name: str) -> str:
    """Return today's name of a BERT weight; LayerNorm's were once called gamma and beta."""
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
