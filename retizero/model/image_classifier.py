"""A fine-tuned image classifier: an image tower with a linear head, in a folder of its own.

Layout: ``classifier.json`` (how to build the tower, the classes), ``model.safetensors``, ``identity.json``.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity, sha256_of
from retizero.model.image_towers import TowerFeatures, build_image_tower
from retizero.model.new_folder import new_folder
from retizero.model.open_clip_folder import load_strictly

CONFIG, WEIGHTS, IDENTITY = "classifier.json", "model.safetensors", "identity.json"
ARCHITECTURE = "image-classifier"


class ImageClassifier(nn.Module):
    """Photographs to class logits, (N, 3, S, S) to (N, K) float32.

    Args:
        tower: To (N, width) features.
        width: Length of the features.
        classes: K.
        drop: Dropout of the features while learning.
    """

    def __init__(self, tower: TowerFeatures, width: int, classes: int, drop: float = 0.0) -> None:
        super().__init__()
        self.tower = tower
        self.drop = nn.Dropout(drop)
        self.head = nn.Linear(width, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits."""
        return cast(Tensor, self.head(self.drop(self.tower(pixels)))).float()


@dataclass(frozen=True)
class Classes:
    """What a classifier tells apart: K ids of the catalogue (or ``free:<text>``) and K names."""

    ids: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class LoadedClassifier:
    """A classifier as it lies in its folder, in evaluation mode."""

    network: ImageClassifier
    classes: Classes
    identity: ModelIdentity


def is_classifier_folder(folder: Path) -> bool:
    """Tell whether a folder holds a fine-tuned classifier."""
    return (folder / CONFIG).is_file()


def read_classifier(folder: Path) -> LoadedClassifier:
    """Load a classifier folder strictly, on the CPU in float32.

    Raises:
        ModelError: A file is missing, damaged or does not fit; the message names it.
    """
    for name in (CONFIG, WEIGHTS, IDENTITY):
        if not (folder / name).is_file():
            raise ModelError(f"The classifier folder {folder} lacks {name}.")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if config["architecture"] != ARCHITECTURE:
            raise ValueError
        classes = Classes(
            tuple(str(each["id"]) for each in config["classes"]),
            tuple(str(each["name"]) for each in config["classes"]),
        )
        width, tower = int(config["width"]), dict(config["tower"])
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder / CONFIG} does not describe a classifier.") from error
    identity = ModelIdentity.from_json((folder / IDENTITY).read_text(encoding="utf-8"))
    if sha256_of(folder / WEIGHTS) != identity.weights_sha256:
        raise ModelError(f"{folder / WEIGHTS} is not the file that identity.json names (SHA-256 differs).")
    network = ImageClassifier(build_image_tower(tower), width, len(classes.ids))
    load_strictly(network, folder / WEIGHTS)
    return LoadedClassifier(network.eval().requires_grad_(False), classes, identity)


def write_classifier(
    folder: Path,
    network: ImageClassifier,
    tower: Mapping[str, Any],
    classes: Classes,
    identity: ModelIdentity,
    further: Mapping[str, str],
    outdated: Sequence[str] = (),
) -> ModelIdentity:
    """Write a classifier folder, all of it or nothing; an earlier one is replaced, other files in it stay.

    Args:
        folder: Missing, empty, or a classifier folder.
        network: LoRA folded.
        tower: What ``build_image_tower`` builds the tower from.
        classes: In the order of the head's rows.
        identity: Its ``weights_sha256`` is replaced.
        further: Names and texts of files to put beside the model.
        outdated: Names of files that say something of the earlier classifier and go with it.

    Raises:
        ModelError: The folder holds something else.
    """
    require_place(folder)
    with _replaced(folder, outdated) if is_classifier_folder(folder) else new_folder(folder) as unfinished:
        tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        save_file(tensors, unfinished / WEIGHTS, metadata={"format": "pt"})
        identity = replace(identity, weights_sha256=sha256_of(unfinished / WEIGHTS))
        config = {
            "architecture": ARCHITECTURE,
            "tower": dict(tower),
            "width": network.head.in_features,
            "classes": [{"id": i, "name": n} for i, n in zip(classes.ids, classes.names, strict=True)],
        }
        described = json.dumps(config, indent=1, ensure_ascii=False) + "\n"
        for name, text in {CONFIG: described, IDENTITY: identity.to_json(), **further}.items():
            (unfinished / name).write_text(text, encoding="utf-8")
    return identity


def require_place(folder: Path) -> None:
    """Make sure that a classifier may be written into a folder.

    Raises:
        ModelError: The folder holds something else than a classifier.
    """
    free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not free and not is_classifier_folder(folder):
        raise ModelError(f"{folder} exists and is no classifier folder; choose another folder.")


@contextmanager
def _replaced(folder: Path, outdated: Sequence[str]) -> Iterator[Path]:
    """Give a folder to fill; its files then replace those of the same name, or none of them does.

    Files are moved, never written over: a process that is killed between two moves leaves the old and the new
    ones below the folder, some in ``.new-*/``.
    """
    stage = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    before = stage / "before"
    moves: list[tuple[Path, Path]] = []
    try:
        yield stage
        new = sorted(stage.iterdir())
        before.mkdir()
        for path in new:
            path.chmod(0o644)  # safetensors makes private ones
        for name in dict.fromkeys((*outdated, *(path.name for path in new))):
            if (folder / name).exists():
                moves.append((folder / name, before / name))
        moves += [(path, folder / path.name) for path in new]
        for source, target in moves:
            source.rename(target)
    except BaseException:
        for source, target in reversed(moves):
            if target.exists() and not source.exists():
                target.rename(source)
        shutil.rmtree(stage, ignore_errors=True)
        raise
    shutil.rmtree(stage, ignore_errors=True)


@torch.inference_mode()
def logits_of(network: ImageClassifier, pixels: Tensor, mirror: bool = False, chunk: int = 32) -> Tensor:
    """Logits (N, K) of pixels (N, 3, S, S), a chunk at a time; ``mirror`` takes the mirror image's in."""
    device = network.head.weight.device
    parts = []
    for start in range(0, len(pixels), chunk):
        batch = pixels[start : start + chunk].to(device).contiguous(memory_format=torch.channels_last)
        found = network(batch)
        if mirror:
            found = (found + network(batch.flip(-1))) / 2
        parts.append(found.cpu())
    return torch.cat(parts) if parts else torch.empty(0, network.head.out_features)
