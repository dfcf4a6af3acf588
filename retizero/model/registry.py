"""Known models: what they are, whose terms hold, where their weights come from, whether they are here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
import yaml

from retizero.model.convert import read_release_file
from retizero.model.device import choose_device
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.export.folder import is_export, read_export
from retizero.model.flair import find_flair, read_flair
from retizero.model.memory import keep_freed_memory
from retizero.model.open_clip_folder import CONFIG, IDENTITY, read_open_clip_folder
from retizero.model.open_clip_models import Recipe, read_open_clip_model
from retizero.model.retizero.folder import is_retizero_folder, read_retizero_folder
from retizero.model.zero_gpu import zero_gpu

_EMBEDDED = Path(__file__).resolve().parents[2] / "models"
_LOCAL, _HUB = "local-dir:", "hf-hub:"


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


def known_models() -> tuple[ModelInfo, ...]:
    """List known models, present or not."""
    return tuple(
        ModelInfo(id, known["title"], known["licence"], known["source"], path is not None, path)
        for id, known in _known().items()
        for path in [_find(known)]
    )


def load_model(
    id_or_path: str | Path = "retizero-mini",
    device: str = "auto",
    exact: bool = False,
    compiled: bool = False,
) -> DualEncoder:
    """Load a model by id, ``hf-hub:OWNER/NAME``, folder path, or ``local-dir:PATH``. Nothing is fetched.

    Args:
        id_or_path: An id of ``known_models``, a Hugging Face id whose files are here, a folder or a file.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        exact: Plain float32, even where the device has something faster: to train from, or to export.
        compiled: With the image tower compiled for the device, which may take minutes.

    Raises:
        ModelError: Unknown, not present, damaged, or the device is not there; the sentence says what to do.
    """
    chosen = choose_device(device)
    if chosen.type == "cpu":
        keep_freed_memory()
    if chosen.type == "cuda" and zero_gpu() is not None:  # no pass may run before a GPU is lent
        encoder = _load(str(id_or_path), torch.device("cpu"), exact=True)
        encoder.move(chosen)
        return encoder
    if compiled:
        from retizero.model.compiled import compile_image_tower

        encoder = _load(str(id_or_path), chosen, exact=exact or chosen.type == "cpu")
        compile_image_tower(encoder)
        return encoder
    return _load(str(id_or_path), chosen, exact)


def _load(text: str, chosen: torch.device, exact: bool) -> DualEncoder:
    if (known := _known().get(text)) is not None:
        path = _find(known)
        if path is None:
            raise ModelError(f"The model {text} is not on this machine; to have it, {known['get']}.")
        return _read(path, chosen, exact, _recipe(text, known))
    if text.startswith(_HUB):
        name = text.removeprefix(_HUB)
        path = _on_hub(name)
        if path is None:
            raise ModelError(
                f"The model {text} is not on this machine; to have it, run `retizero models pull {name}`."
            )
        return _read(path, chosen, exact, Recipe(id=text, title=f"open_clip model {name}"))
    path = Path(text.removeprefix(_LOCAL)).expanduser()
    if not path.exists():
        ids = ", ".join(_known())
        raise ModelError(f"There is no model {text!r}: it is neither a folder nor one of {ids}.")
    return _read(path, chosen, exact)


@cache
def _known() -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_name("known_models.yaml").read_text(encoding="utf-8")
    return cast(dict[str, dict[str, Any]], yaml.safe_load(text))


def _recipe(id: str, known: dict[str, Any]) -> Recipe:
    told = {key: known[key] for key in ("template", "trained_on") if key in known}
    return Recipe(id=id, title=known["title"], licence=known["licence"], **told)


def _model_folders() -> Iterator[Path]:
    if extra := os.environ.get("RETIZERO_MODELS_DIR"):
        yield Path(extra).expanduser()
    yield _EMBEDDED


def _find(known: dict[str, Any]) -> Path | None:
    for folder in _model_folders():
        for name in known["files"]:
            path = folder / name
            if path.is_file():
                found: Path = path.parent if path.suffix == ".json" else path
                return found
    return _on_hub(known["hub"]) if "hub" in known else None


def _on_hub(name: str) -> Path | None:
    """The folder of a Hugging Face id: where ``models pull`` puts it, or the snapshot in the cache."""
    for folder in _model_folders():
        if (folder / name.rpartition("/")[2] / CONFIG).is_file():
            return folder / name.rpartition("/")[2]
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, CONFIG)
    except HFValidationError as error:
        raise ModelError(f"{name!r} is no Hugging Face id; it has the form OWNER/NAME.") from error
    return Path(cached).parent if isinstance(cached, str) else None


def _read(path: Path, device: torch.device, exact: bool, recipe: Recipe | None = None) -> DualEncoder:
    if is_export(path):
        return read_export(path)
    if path.is_dir():
        if (path / CONFIG).is_file():
            ours = (path / IDENTITY).is_file()
            return read_open_clip_folder(path, device) if ours else read_open_clip_model(path, device, recipe)
        if is_retizero_folder(path):
            return read_retizero_folder(path, device, exact)
    if (flair := find_flair(path)) is not None:
        return read_flair(flair, device)
    if path.is_file():
        return read_release_file(path, device, exact)
    raise ModelError(
        f"{path} is not a model folder: it has neither {CONFIG} nor a RetiZero config.json nor FLAIR's file."
    )
