"""Where a run starts: towers, tokenizer and preprocessing of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import BertConfig

from retizero.data import Preprocess
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity
from retizero.model.open_clip_folder import CONFIG as OPEN_CLIP_CONFIG
from retizero.model.open_clip_folder import TEXT, WEIGHTS, build_towers, load_strictly, write_text_tower_files
from retizero.model.retizero.config import ImageTowerConfig, RetiZeroConfig, read_json_object
from retizero.model.retizero.folder import IDENTITY, is_retizero_folder, read_network
from retizero.model.retizero.network import RetiZero
from retizero.model.retizero.starting_points import bert_sizes, load_bert, load_retfound
from retizero.model.retizero.tokenizer import read_tokenizer, require_vocabulary
from retizero.training.errors import ConfigError
from retizero.training.pairs.recipe import PairRecipe, TowerSettings
from retizero.training.pairs.towers import SIGLIP_SCALE, PairTowers


@dataclass(frozen=True)
class OpenClipSizes:
    """open_clip's ``model_cfg`` and the Hugging Face config of its text tower."""

    model: Mapping[str, Any]
    text: Mapping[str, Any]


@dataclass(frozen=True)
class Start:
    """What learns, and what using and writing it takes.

    Attributes:
        towers: On the CPU, seeded.
        tokenizer: Without padding and truncation.
        sizes: Of both towers.
        preprocess: What photographs go through.
        prompt_style: Which prompts stand for a label.
        mirror: Whether the written model embeds mirror images too.
    """

    towers: PairTowers
    tokenizer: Tokenizer
    sizes: RetiZeroConfig | OpenClipSizes
    preprocess: Preprocess
    prompt_style: str
    mirror: bool = False

    @property
    def context_length(self) -> int:
        """Longest caption in tokens."""
        if isinstance(self.sizes, RetiZeroConfig):
            return self.sizes.context_length
        return int(self.sizes.model["text_cfg"]["context_length"])


def starting_point(recipe: PairRecipe, work: Path) -> Start:
    """Build the towers with the weights that the recipe starts from.

    Args:
        recipe: Settings.
        work: Folder for the files that open_clip builds a text tower from.

    Raises:
        ConfigError: Sizes, files and what should learn do not fit together.
        ModelError: A file is missing, damaged or does not fit.
    """
    torch.manual_seed(recipe.seed)
    settings = recipe.towers
    style, mirror = recipe.data.captions, False
    if settings.folder is not None:
        network, tokenizer, sizes, identity = _from_folder(settings.folder)
        preprocess = Preprocess.from_dict(identity.preprocess)
        style, mirror = cast(Any, identity.prompt_style), identity.mirror
    else:
        build = _new_retizero if settings.architecture == "retizero" else _new_open_clip
        network, tokenizer, sizes = build(settings, work)
        preprocess = recipe.picture.preprocess(_input_size(sizes))
        if preprocess.size != _input_size(sizes):
            raise ConfigError(
                f"picture.size is {preprocess.size} and the image tower takes {_input_size(sizes)} pixels; "
                "leave picture.size out."
            )
        if recipe.loss.siglip:
            nn.init.constant_(cast(Any, network).logit_scale, SIGLIP_SCALE)
    towers = PairTowers(network, settings, biased=recipe.loss.siglip > 0)
    if isinstance(network, RetiZero) and settings.image == "lora" and not network.config.vit.lora_rank:
        sizes = replace(network.config, vit=replace(network.config.vit, lora_rank=settings.lora_rank))
    if recipe.compute.checkpoint_blocks:
        towers.checkpoint_blocks()
    return Start(towers, tokenizer, sizes, preprocess, style, mirror)


def _from_folder(
    folder: Path,
) -> tuple[nn.Module, Tokenizer, RetiZeroConfig | OpenClipSizes, ModelIdentity]:
    if is_retizero_folder(folder):
        network, identity = read_network(folder)
        return network, read_tokenizer(folder), network.config, identity
    if not (folder / OPEN_CLIP_CONFIG).is_file():
        raise ModelError(f"{folder} is not a model folder.")
    identity = ModelIdentity.from_json((folder / IDENTITY).read_text(encoding="utf-8"))
    model = read_json_object(folder / OPEN_CLIP_CONFIG, "model config")["model_cfg"]
    text = read_json_object(folder / TEXT / "config.json", "text tower config")
    towers = build_towers(model, folder)
    load_strictly(towers, folder / WEIGHTS)
    return towers, read_tokenizer(folder / TEXT), OpenClipSizes(model, text), identity


def _new_retizero(settings: TowerSettings, work: Path) -> tuple[nn.Module, Tokenizer, RetiZeroConfig]:
    tokenizer = read_tokenizer(cast(Path, settings.tokenizer or settings.bert))
    known = ImageTowerConfig.__dataclass_fields__
    if unknown := sorted(set(settings.vit) - set(known)):
        raise ConfigError(f"towers.vit: there is no {unknown[0]}; it takes {', '.join(known)}.")
    rank = settings.lora_rank if settings.image == "lora" else 0
    if settings.bert is not None:
        bert = {**bert_sizes(settings.bert), **settings.bert_sizes}
    else:
        bert = {**RetiZeroConfig().bert, **settings.bert_sizes, "vocab_size": tokenizer.get_vocab_size()}
    require_vocabulary(tokenizer, bert["vocab_size"])
    _require_text_sizes(settings, bert)
    with _buildable():
        vit = ImageTowerConfig(**{"lora_rank": rank, **settings.vit})
        network = RetiZero(RetiZeroConfig(vit, bert, settings.embed_dim, settings.context_length))
    if settings.init == "mae":
        load_retfound(network.image, cast(Path, settings.mae))
    if settings.bert is not None:
        load_bert(network.text, settings.bert)
    return network, tokenizer, network.config


def _new_open_clip(settings: TowerSettings, work: Path) -> tuple[nn.Module, Tokenizer, OpenClipSizes]:
    if settings.init == "mae" or settings.bert is not None:
        raise ConfigError(
            "towers.mae and towers.bert fill RetiZero's towers; use architecture retizero, or a folder."
        )
    tokenizer = read_tokenizer(cast(Path, settings.tokenizer))
    text = {
        **{"model_type": "bert", "type_vocab_size": 2, "pad_token_id": 0},
        **RetiZeroConfig().bert,
        **settings.bert_sizes,
        "vocab_size": tokenizer.get_vocab_size(),
    }
    model = {
        "embed_dim": settings.embed_dim,
        "vision_cfg": {"timm_pool": "avg", "timm_proj": "linear", "image_size": 224, **settings.vision},
        "text_cfg": {
            "hf_model_name": TEXT,
            "hf_tokenizer_name": TEXT,
            "hf_model_pretrained": False,
            "hf_proj_type": "linear",
            "hf_pooler_type": "mean_pooler",
            "context_length": settings.context_length,
            "vocab_size": text["vocab_size"],
        },
    }
    _require_text_sizes(settings, text)
    with _buildable():
        write_text_tower_files(work / TEXT, text, tokenizer)
        towers, sizes = build_towers(model, work), OpenClipSizes(model, text)
    trunk: Any = cast(Any, towers).visual.trunk
    fixed = getattr(getattr(trunk, "patch_embed", None), "img_size", None)
    if fixed is not None and fixed[0] != _input_size(sizes):
        name, given = settings.vision["timm_model_name"], _input_size(sizes)
        raise ConfigError(
            f"towers.vision.image_size is {given} and {name} takes {fixed[0]} pixels; write that."
        )
    return towers, tokenizer, sizes


def _require_text_sizes(settings: TowerSettings, bert: Mapping[str, Any]) -> None:
    known = BertConfig().to_dict()
    if unknown := sorted(set(settings.bert_sizes) - set(known)):
        raise ConfigError(f"towers.bert_sizes: there is no {unknown[0]}; transformers' BertConfig has none.")
    longest = bert.get("max_position_embeddings", known["max_position_embeddings"])
    if settings.context_length > longest:
        raise ConfigError(
            f"towers.context_length is {settings.context_length}, and the text tower reads at most {longest} "
            "tokens."
        )


@contextmanager
def _buildable() -> Iterator[None]:
    """Say in one sentence that the libraries cannot build towers of these sizes."""
    try:
        yield
    except (ConfigError, ModelError):
        raise
    except Exception as error:  # each library has its own way to refuse sizes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"towers: these sizes cannot be built: {reason.removesuffix('.')}.") from error


def _input_size(sizes: RetiZeroConfig | OpenClipSizes) -> int:
    if isinstance(sizes, RetiZeroConfig):
        return sizes.vit.img_size
    size = sizes.model["vision_cfg"]["image_size"]
    return int(size[0] if isinstance(size, Sequence) else size)
