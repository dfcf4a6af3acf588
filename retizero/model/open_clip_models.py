"""Any open_clip model as published: a folder with ``open_clip_config.json``, weights and tokenizer.

Everything that decides an answer (towers, preprocessing, tokenizer, context length) is read from that folder
by open_clip itself; nothing is fetched. A Hugging Face text tower needs its sizes, which such folders often
lack (BiomedCLIP's does): those of a BERT are told from its weights.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from retizero.data import Preprocess
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity, sha256_of
from retizero.model.open_clip_folder import CONFIG
from retizero.model.retizero.config import read_json_object
from retizero.model.retizero.self_check import check_encoder, require_finite

WEIGHTS = (  # the names open_clip writes or looks for, the safe ones first
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors",
    "open_clip_pytorch_model.bin", "open_clip_pytorch_model.pth", "pytorch_model.bin",
)  # fmt: skip
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model",
               "sentencepiece.bpe.model")  # fmt: skip
_TOKENIZER_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt")
_BERT = "text.transformer.embeddings.word_embeddings.weight"


@dataclass(frozen=True)
class Recipe:
    """What a model's folder does not say.

    Attributes:
        id: Short name.
        title: Name for people.
        template: How the model is asked, with ``{label}``.
        trained_on: Data in words.
        licence: Terms of the weights.
    """

    id: str
    title: str
    template: str = "A fundus photograph of {label}"
    trained_on: str = "see its authors"
    licence: str = "see its authors"


@dataclass(frozen=True)
class _Encoding:
    ids: list[int]


class OwnTokenizer:
    """A model's own tokenizer in the form in which ``DualEncoder`` asks one.

    Args:
        folder: With ``open_clip_config.json`` and, for Hugging Face texts, the tokenizer's files.
        padding: The id of padding that the text tower masks, then left out; None where it reads padding.
        name: Tells tokenizers apart.
    """

    def __init__(self, folder: Path, padding: int | None, name: str) -> None:
        self.folder, self.padding, self.name = folder, padding, name
        self._tokenize = _tokenizer(folder)

    def encode_batch(self, texts: Sequence[str]) -> list[_Encoding]:
        """Token ids of each text, special tokens included."""
        rows: list[list[int]] = self._tokenize(list(texts)).tolist() if texts else []
        return [_Encoding([id for id in row if id != self.padding]) for row in rows]

    def to_str(self) -> str:
        """What tells this tokenizer from another one."""
        return self.name

    def copy_to(self, folder: Path) -> None:
        """Copy the files from which another one of its kind is made."""
        folder.mkdir()
        for name in (CONFIG, *_TOKENIZERS, *_TOKENIZER_SETTINGS):
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, folder / name)


def read_open_clip_model(folder: Path, device: torch.device, recipe: Recipe | None = None) -> DualEncoder:
    """Load a published open_clip folder strictly.

    Args:
        folder: With ``open_clip_config.json``, one of ``WEIGHTS`` and, for Hugging Face texts, the tokenizer.
        device: Where the model goes.
        recipe: Who it is and how it is asked; named after its folder when None.

    Raises:
        ModelError: A file is missing or does not fit; the message says which.
    """
    recipe = recipe or Recipe(id=folder.name, title=f"open_clip model {folder.name}")
    config = read_json_object(folder / CONFIG, "model config")
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise ModelError(f"The model folder {folder} has no weights, such as {WEIGHTS[0]} or {WEIGHTS[3]}.")
    model = config.get("model_cfg")
    if not isinstance(model, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= model.keys():
        raise ModelError(f"{folder / CONFIG} has no model_cfg with embed_dim, vision_cfg and text_cfg.")
    text: dict[str, Any] = model["text_cfg"]
    if text.get("hf_tokenizer_name") and not any((folder / name).is_file() for name in _TOKENIZERS):
        raise ModelError(
            f"The model folder {folder} lacks its tokenizer: put tokenizer.json or vocab.txt of "
            f"{text['hf_tokenizer_name']} there."
        )
    towers = _build(config, folder, weights)
    require_finite(towers, folder.name)
    towers.eval().requires_grad_(False).to(device)
    context_length = int(text.get("context_length", 77))
    masked = cast(Any, towers).text.config.pad_token_id if text.get("hf_model_name") else None
    identity = ModelIdentity(
        id=recipe.id,
        title=recipe.title,
        architecture=_in_words(model),
        embed_dim=int(model["embed_dim"]),
        preprocess=_preprocess(config, towers).to_dict(),
        weights_sha256=sha256_of(weights),
        template=recipe.template,
        pooling=str(text.get("hf_pooler_type") or text.get("pool_type") or "argmax"),
        trained_on=recipe.trained_on,
        licence=recipe.licence,
    )
    tokenizer = cast(Any, OwnTokenizer(folder, masked, _tokenizer_name(folder, text)))
    encoder = DualEncoder(towers, tokenizer, identity, context_length, device)
    check_encoder(encoder, has_text=True)
    return encoder


def _build(config: Mapping[str, Any], folder: Path, weights: Path) -> nn.Module:
    """Let open_clip build and fill the towers from a folder of links whose text config is at hand."""
    import open_clip

    adapted = deepcopy(dict(config))
    text = adapted["model_cfg"]["text_cfg"]
    with tempfile.TemporaryDirectory() as made:
        bench = Path(made)
        if text.get("hf_model_name"):
            sizes = _text_config(folder, str(text["hf_model_name"]), weights, bench / "text")
            text["hf_model_name"] = str(sizes)
        (bench / CONFIG).write_text(json.dumps(adapted), encoding="utf-8")
        (bench / weights.name).symlink_to(weights.resolve())
        try:
            towers = open_clip.create_model(
                f"local-dir:{bench}", pretrained_image=False, pretrained_text=False, require_pretrained=True
            )
        except Exception as error:  # open_clip, timm and transformers raise many kinds
            reason = " ".join(str(error).replace(made, str(folder)).split())
            raise ModelError(
                f"{weights.name} and {CONFIG} of {folder} make no model: {reason[:300]}"
            ) from error
    return cast(nn.Module, towers)


def _text_config(folder: Path, name: str, weights: Path, made: Path) -> Path:
    """The folder of the text tower's ``config.json``: beside the weights, or told from them."""
    for place in (folder / name, folder / "text", folder):
        file = place / "config.json"
        if file.is_file() and "model_type" in read_json_object(file, "config of the text tower"):
            return place.resolve()
    from open_clip.factory import load_state_dict

    stored: Mapping[str, Tensor] = load_state_dict(str(weights), weights_only=True)
    if _BERT not in stored:
        raise ModelError(
            f"The model folder {folder} lacks the config.json of its text tower: put that of {name} into "
            f"{folder / 'text'}."
        )
    layers = {key.split(".")[4] for key in stored if key.startswith("text.transformer.encoder.layer.")}
    first = "text.transformer.encoder.layer.0.intermediate.dense.weight"
    vocabulary, width = stored[_BERT].shape
    values = {
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "num_attention_heads": max(1, width // 64),  # BERT's heads have 64 numbers at every published size
        "intermediate_size": stored[first].shape[0],
        "max_position_embeddings": stored["text.transformer.embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": stored["text.transformer.embeddings.token_type_embeddings.weight"].shape[0],
        "pad_token_id": 0,
    }
    made.mkdir()
    (made / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return made


def _tokenizer(folder: Path) -> Callable[[list[str]], Tensor]:
    import open_clip

    try:
        return cast(Callable[[list[str]], Tensor], open_clip.get_tokenizer(f"local-dir:{folder}"))
    except Exception as error:  # transformers raises many kinds
        raise ModelError(f"The tokenizer in {folder} cannot be read.") from error


def _tokenizer_name(folder: Path, text: Mapping[str, Any]) -> str:
    files = [folder / name for name in _TOKENIZERS if (folder / name).is_file()]
    return json.dumps([dict(text), *(sha256_of(file) for file in files)], sort_keys=True)


def _preprocess(config: Mapping[str, Any], towers: nn.Module) -> Preprocess:
    """open_clip's preprocessing, its defaults where the folder says nothing."""
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    size = getattr(cast(Any, towers).visual, "image_size", 224)
    given = {"size": size, **(config.get("preprocess_cfg") or {})}
    values = merge_preprocess_dict(PreprocessCfg(), given)
    sides = values["size"] if isinstance(values["size"], (tuple, list)) else (values["size"],) * 2
    if sides[0] != sides[1]:
        raise ModelError(
            f"The model takes pictures of {sides[1]} x {sides[0]} pixels; only squares work here."
        )
    try:
        mean, std = tuple(values["mean"]), tuple(values["std"])
        return Preprocess(int(sides[0]), mean, std, values["resize_mode"], values["interpolation"])
    except ValueError as error:
        raise ModelError(f"The preprocess_cfg cannot be used: {error}") from error


def _in_words(model: Mapping[str, Any]) -> str:
    vision, text = model["vision_cfg"], model["text_cfg"]
    image = vision.get("timm_model_name") or f"{vision.get('layers')} layers of width {vision.get('width')}"
    words = text.get("hf_model_name") or f"{text.get('layers')} layers of width {text.get('width')}"
    return f"open_clip; image: {image}; text: {words}"
