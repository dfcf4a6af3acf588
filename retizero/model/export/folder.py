"""A folder of exported towers: ``export.json`` with the agreement, the towers' files, identity, tokenizer.

``export.json`` also names the SHA-256 of each file, and ``reference.safetensors`` holds two synthetic
photographs and the embeddings that the model itself gives, also of some prompts: they are asked again when
the folder is loaded, since another machine computes otherwise.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from retizero import phantom
from retizero.model.agreement import MIN_COSINE, Agreement, measure_agreement
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.export.formats import format_named
from retizero.model.export.sample import Sample
from retizero.model.export.towers import ExportedEncoder, ExportedTowers, ImageSide, TextSide
from retizero.model.identity import ModelIdentity, sha256_of
from retizero.model.new_folder import new_folder
from retizero.model.open_clip_models import OwnTokenizer
from retizero.model.retizero.config import read_json_object

TOKENIZER_FOLDER = "tokenizer"  # of open_clip's own kind
EXPORT, IDENTITY, TOKENIZER, REFERENCE = (
    "export.json",
    "identity.json",
    "tokenizer.json",
    "reference.safetensors",
)
_FACTS = (
    "format",
    "logit_scale",
    "context_length",
    "own_tokenizer",
    "reference_prompts",
    "sha256",
    "agreement",
)
_BESIDE = ("familiarity.safetensors",)  # belongs to the same weights, and so to the same embeddings
_REFERENCE_LABELS = ("drusen", "macular-hole")
_REFERENCE_SIDE, _REFERENCE_PROMPTS = 128, 4


def is_export(folder: Path) -> bool:
    """Tell whether a folder holds exported towers."""
    return (folder / EXPORT).is_file()


def write_export(model: DualEncoder, format_name: str, out: Path, sample: Sample) -> Agreement:
    """Export both towers of a model and measure whether they agree with it.

    Args:
        model: Plain float32, on the CPU.
        format_name: ``onnx`` or ``openvino``.
        out: New folder; written whatever the agreement, which is stored in it and decides about its use.
        sample: What to compare on.

    Raises:
        ModelError: The format's package is not installed, the model is an export itself or pools over
            padding, or ``out`` holds something.
    """
    chosen = format_named(format_name, to_write=True)
    if isinstance(model, ExportedEncoder):
        raise ModelError(f"{model.folder} is an export already; export the model it was made from.")
    if model.identity.pooling == "official":
        raise ModelError(
            "With official pooling a prompt's embedding depends on the others in the call; convert the model "
            "with padding-independent pooling to export it."
        )
    with new_folder(out) as unfinished:
        towers: dict[str, tuple[nn.Module, Tensor, str, dict[int, str]]] = {
            "image": (ImageSide(model), _pixels(model), "pixels", {0: "photographs"})
        }
        if model.has_text:
            towers["text"] = (
                TextSide(model),
                model.token_ids([sample.prompts[0]] * 2),
                "ids",
                {0: "prompts", 1: "tokens"},
            )
        for name, (module, example, given, axes) in towers.items():
            chosen.write(module.eval(), example, given, axes, unfinished / f"{name}{chosen.files[0]}")
        files = [f"{name}{ending}" for name in towers for ending in chosen.files]
        identity = replace(model.identity, arithmetic="")
        (unfinished / IDENTITY).write_text(identity.to_json(), encoding="utf-8")
        tokenizer = model.tokenizer
        own = isinstance(tokenizer, OwnTokenizer)
        if own:
            tokenizer.copy_to(unfinished / TOKENIZER_FOLDER)
        elif model.has_text:
            tokenizer.save(str(unfinished / TOKENIZER), pretty=False)
        for name in _BESIDE:
            if model.folder is not None and (model.folder / name).is_file():
                shutil.copyfile(model.folder / name, unfinished / name)
        facts: dict[str, Any] = {
            "format": chosen.name,
            "logit_scale": math.log(model.logit_scale),
            "context_length": model.context_length,
            "own_tokenizer": {"padding": tokenizer.padding, "name": tokenizer.name} if own else None,
            "reference_prompts": list(sample.prompts[:_REFERENCE_PROMPTS]),
            "sha256": {name: sha256_of(unfinished / name) for name in files},
        }
        _write_reference(model, facts["reference_prompts"], unfinished / REFERENCE)
        exported = _open(unfinished, facts)
        agreement = measure_agreement(model, exported, sample.pixels, sample.prompts, sample.words)
        facts["agreement"] = agreement.to_dict()
        (unfinished / EXPORT).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return agreement


def read_export(folder: Path) -> DualEncoder:
    """Load exported towers that agree with their model, on the sample they were exported with and here.

    Raises:
        ModelError: A file is missing, damaged or exchanged, the format's package is not installed, or the
            towers do not give the model's answers.
    """
    facts = read_json_object(folder / EXPORT, "description of an export")
    if missing := [name for name in _FACTS if name not in facts]:
        raise ModelError(f"{folder / EXPORT} lacks {', '.join(missing)}.")
    Agreement.from_dict(facts["agreement"]).require(str(folder))
    for name, digest in facts["sha256"].items():
        if not (folder / name).is_file():
            raise ModelError(f"The model folder {folder} lacks {name}.")
        if sha256_of(folder / name) != digest:
            raise ModelError(f"{folder / name} is not the file that {EXPORT} names (SHA-256 differs).")
    encoder = _open(folder, facts)
    _ask_again(encoder, folder, facts["reference_prompts"])
    return encoder


def _open(folder: Path, facts: dict[str, Any]) -> ExportedEncoder:
    chosen = format_named(str(facts["format"]))
    first = chosen.files[0]
    text = chosen.open(folder / f"text{first}") if f"text{first}" in facts["sha256"] else None
    towers = ExportedTowers(chosen.open(folder / f"image{first}"), text, float(facts["logit_scale"]))
    identity = ModelIdentity.from_json((folder / IDENTITY).read_text(encoding="utf-8"))
    identity = replace(identity, arithmetic=f"{chosen.arithmetic()} ({chosen.runtime})")
    tokenizer: Any = None
    if text is not None and facts["own_tokenizer"] is not None:
        tokenizer = OwnTokenizer(folder / TOKENIZER_FOLDER, **facts["own_tokenizer"])
    elif text is not None:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    context_length, device = int(facts["context_length"]), torch.device("cpu")
    return ExportedEncoder(towers, tokenizer, identity, context_length, device, folder)


def _write_reference(model: DualEncoder, prompts: Sequence[str], path: Path) -> None:
    pixels = np.stack(
        [model.preprocess(phantom.render(label, 5, size=_REFERENCE_SIDE)) for label in _REFERENCE_LABELS]
    )
    arrays = {"pixels": pixels, "images": model.encode_images(pixels)}
    if model.has_text:
        arrays["texts"] = model.encode_texts(prompts)
    save_file(arrays, path)


def _ask_again(encoder: ExportedEncoder, folder: Path, prompts: Sequence[str]) -> None:
    """Refuse towers that give other embeddings on this machine than the model gave where it was exported."""
    try:
        arrays = load_file(folder / REFERENCE)
        gaps = [(encoder.encode_images(arrays["pixels"]) * arrays["images"]).sum(axis=1).min()]
        if encoder.has_text:
            gaps.append((encoder.encode_texts(prompts) * arrays["texts"]).sum(axis=1).min())
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(f"The model folder {folder} has no {REFERENCE} that fits it.") from error
    if not min(gaps) >= MIN_COSINE:
        raise ModelError(
            f"{folder} does not give here the embeddings of the model it was made from "
            f"(cosine {min(gaps):.4f}, least: {MIN_COSINE}); export it again on this machine."
        )


def _pixels(model: DualEncoder) -> Tensor:
    return torch.zeros(2, 3, model.preprocess.size, model.preprocess.size)
