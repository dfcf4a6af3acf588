"""Known models: what they are, whose terms hold, where their weights come from, whether they are here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from retizero.model.convert import read_release_file
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.open_clip_folder import CONFIG, read_open_clip_folder
from retizero.model.retizero.folder import is_retizero_folder, read_retizero_folder

_EMBEDDED = Path(__file__).resolve().parents[2] / "models"
_LOCAL = "local-dir:"


@dataclass(frozen=True)
class ModelInfo:
    """One line of ``retizero models list``.

    Attributes:
        id: What ``load_model`` takes.
        title: What it is.
        licence: Terms of the weights.
        source: Where the weights come from.
        present: Whether the weights are on this machine.
        path: Where they lie, or None.
    """

    id: str
    title: str
    licence: str
    source: str
    present: bool
    path: Path | None


@dataclass(frozen=True)
class _Known:
    id: str
    title: str
    licence: str
    source: str
    files: tuple[str, ...]  # names under a models folder, any of which makes the model present


_KNOWN = (
    _Known(
        "retizero-mini",
        "RetiZero Studio's embedded default: EfficientNet-Lite2 + MiniLM, trained in this project",
        "research, non-commercial (terms of the training photographs; see its model card)",
        "in this repository, models/retizero-mini",
        (f"retizero-mini/{CONFIG}",),
    ),
    _Known(
        "retizero",
        "RetiZero (Nature Communications 2025): ViT-L/16 with LoRA + Bio_ClinicalBERT",
        "none stated by the authors; starts from RETFound (CC BY-NC 4.0), so non-commercial at best",
        "RetiZero.pth (1.65 GB, linked in the README of github.com/LooKing9218/RetiZero), as it is beside "
        "the vocab.txt of Bio_ClinicalBERT, or through `retizero models convert`",
        ("retizero/config.json", "retizero/RetiZero.pth", "RetiZero.pth"),
    ),
    _Known(
        "flair",
        "FLAIR (Medical Image Analysis 2025): ResNet-50 + BioClinicalBERT for fundus photographs",
        "see the model page",
        "github.com/jusiro/FLAIR",
        (f"flair/{CONFIG}",),
    ),
    _Known(
        "biomedclip",
        "BiomedCLIP: ViT-B/16 + PubMedBERT on figures of biomedical articles",
        "MIT",
        "huggingface.co/microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        (f"biomedclip/{CONFIG}",),
    ),
    _Known(
        "open-clip",
        "Any open_clip model folder, given as a path",
        "that of the model",
        "a folder written by this project, given as local-dir:PATH",
        (),
    ),
)


def known_models() -> tuple[ModelInfo, ...]:
    """List known models, present or not."""
    return tuple(
        ModelInfo(known.id, known.title, known.licence, known.source, path is not None, path)
        for known in _KNOWN
        for path in [_find(known)]
    )


def load_model(
    id_or_path: str | Path = "retizero-mini", device: str = "auto", exact: bool = False
) -> DualEncoder:
    """Load a model by id, folder path, or ``local-dir:PATH``.

    Args:
        id_or_path: An id of ``known_models`` or a folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        exact: Keep float32 weights even where the device computes in bfloat16: to train from them.

    Raises:
        ModelError: Unknown, not present, damaged, or the device is not there; the sentence says what to do.
    """
    text = str(id_or_path)
    chosen = choose_device(device)
    known = next((each for each in _KNOWN if each.id == text), None)
    if known is not None:
        path = _find(known)
        if path is None:
            raise ModelError(
                f"The model {known.id} is not on this machine; get it from {known.source} "
                "and put it in a folder that RETIZERO_MODELS_DIR names."
            )
        return _read(path, chosen, exact)
    path = Path(text.removeprefix(_LOCAL)).expanduser()
    if not path.exists():
        ids = ", ".join(each.id for each in _KNOWN)
        raise ModelError(f"There is no model {text!r}: it is neither a folder nor one of {ids}.")
    return _read(path, chosen, exact)


def choose_device(device: str) -> torch.device:
    """Return the device a name means; ``auto`` takes CUDA, then Apple's, then the processor.

    Raises:
        ModelError: The name is unknown or the device is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, here in available.items() if here))
    kind = device.split(":")[0]
    if kind not in available:
        raise ModelError(f"The device {device!r} is unknown; use auto, cuda, mps or cpu.")
    if not available[kind]:
        raise ModelError(f"The device {device!r} is not available on this machine; use auto or cpu.")
    return torch.device(device)


def _find(known: _Known) -> Path | None:
    extra = os.environ.get("RETIZERO_MODELS_DIR")
    for folder in [*([Path(extra).expanduser()] if extra else []), _EMBEDDED]:
        for name in known.files:
            if (folder / name).is_file():
                path = folder / name
                return path if path.suffix == ".pth" else path.parent
    return None


def _read(path: Path, device: torch.device, exact: bool) -> DualEncoder:
    if path.is_dir() and (path / CONFIG).is_file():
        return read_open_clip_folder(path, device)
    if path.is_dir() and is_retizero_folder(path):
        return read_retizero_folder(path, device, exact)
    if path.is_file():
        return read_release_file(path, device, exact)
    raise ModelError(f"{path} is not a model folder: it has neither {CONFIG} nor a RetiZero config.json.")
