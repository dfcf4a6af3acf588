"""From the release's files to our folder, or straight to a model that answers."""

from __future__ import annotations

from pathlib import Path

import torch

from retizero.data import Preprocess
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity, sha256_of
from retizero.model.release_checkpoint import (
    at_image_size,
    is_finetuned,
    load_finetuned,
    load_release,
)
from retizero.model.retizero.config import RetiZeroConfig
from retizero.model.retizero.encoder import RetiZeroEncoder
from retizero.model.retizero.folder import serve, write_folder
from retizero.model.retizero.self_check import require_finite
from retizero.model.retizero.tokenizer import has_tokenizer, read_tokenizer, require_vocabulary

_LICENCE = "none stated by the authors; starts from RETFound (CC BY-NC 4.0), so non-commercial at best"
_TRAINED_ON = (
    "341,896 fundus image-text pairs of the authors (Nature Communications 16:5528, 2025), not public"
)
# Where a user may have put the tokenizer, beside the weights.
_BERT_FOLDERS = ("", "Bio_ClinicalBERT", "text", "bert")


def convert(
    checkpoint: Path,
    out: Path,
    config: RetiZeroConfig | None = None,
    bert: Path | None = None,
    image_size: int | None = None,
    model_id: str | None = None,
) -> ModelIdentity:
    """Write a checkpoint of the release, or of its fine-tuning, as our folder.

    Args:
        checkpoint: Either layout; told apart by its names.
        out: New folder.
        config: Sizes; None means the published ones.
        bert: Folder with Bio_ClinicalBERT's tokenizer; None looks beside the checkpoint.
        image_size: Side of the input in pixels, when other than the checkpoint's; positions are interpolated.
        model_id: Name of the model; None takes the folder's.

    Raises:
        CheckpointMismatch: The checkpoint does not fit the sizes.
        ModelError: A file cannot be read, or ``out`` holds something.
    """
    sizes = config or RetiZeroConfig()
    name = model_id or out.name
    if is_finetuned(checkpoint):
        if bert is not None or image_size is not None:
            raise ModelError(
                "A fine-tuned classifier has no text side and keeps its size: drop --bert and --image-size."
            )
        classifier = load_finetuned(checkpoint, sizes)
        require_finite(classifier, checkpoint.name)
        title = f"RetiZero fine-tuned to {classifier.classifier.out_features} classes"
        return write_folder(out, classifier, sizes, _identity(name, title, sizes, "see its author"))
    network = load_release(checkpoint, sizes)
    require_finite(network, checkpoint.name)
    if image_size is not None:
        network = at_image_size(network, image_size)
    tokenizer = None
    if (folder := bert or tokenizer_beside(checkpoint)) is not None:
        tokenizer = read_tokenizer(folder)
        require_vocabulary(tokenizer, sizes.bert["vocab_size"])
    identity = _identity(name, "RetiZero", network.config, _TRAINED_ON)
    return write_folder(out, network, network.config, identity, tokenizer)


def read_release_file(checkpoint: Path, device: torch.device, exact: bool = False) -> RetiZeroEncoder:
    """Load ``RetiZero.pth`` as it is, with the tokenizer that lies beside it if there is one.

    Sizes are the published ones unless a JSON file of the same name lies beside it (``RetiZero.json``).

    Raises:
        CheckpointMismatch: It does not fit the sizes.
        ModelError: The file cannot be read.
    """
    sizes = checkpoint.with_suffix(".json")
    network = load_release(
        checkpoint, RetiZeroConfig.from_file(sizes) if sizes.is_file() else RetiZeroConfig()
    )
    folder = tokenizer_beside(checkpoint)
    tokenizer = None if folder is None else read_tokenizer(folder)
    identity = _identity("retizero", "RetiZero", network.config, _TRAINED_ON, sha256_of(checkpoint))
    return serve(network, tokenizer, identity, device, exact)


def tokenizer_beside(checkpoint: Path) -> Path | None:
    """The folder of BERT's tokenizer beside a checkpoint, None where there is none."""
    folders = [checkpoint.parent / name for name in _BERT_FOLDERS]
    return next((folder for folder in folders if has_tokenizer(folder)), None)


def _identity(
    model_id: str, title: str, config: RetiZeroConfig, trained_on: str, weights_sha256: str = ""
) -> ModelIdentity:
    vit = config.vit
    return ModelIdentity(
        id=model_id,
        title=title,
        architecture=(
            f"ViT {vit.depth} x {vit.embed_dim}, patch {vit.patch_size}, LoRA {vit.lora_rank}; "
            f"BERT {config.bert['num_hidden_layers']} x {config.bert['hidden_size']}"
        ),
        embed_dim=config.embed_dim,
        preprocess=Preprocess(size=vit.img_size, crop="squash").to_dict(),
        weights_sha256=weights_sha256,
        pooling=config.pooling,
        trained_on=trained_on,
        licence=_LICENCE,
    )
