"""Which way of pretraining a configuration asks for."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retizero.data import ImageReadError, read_manifest
from retizero.model.identity import ModelIdentity
from retizero.training.errors import ConfigError
from retizero.training.row_problems import only_readable, tell_problems, without_repeats
from retizero.training.strict_settings import read_yaml, settings_of


@dataclass(frozen=True)
class Pretrained:
    """What came out of a pretraining run.

    Attributes:
        out: Model folder.
        identity: Of the model.
        history: One row of losses and scores per epoch.
        settings: Of the run, plain values.
        silent: Whether another process of the run tells the result.
    """

    out: Path
    identity: ModelIdentity
    history: list[dict[str, float]]
    settings: dict[str, Any]
    silent: bool = False


def pretrain_by_config(
    config: Path,
    manifest: Path | None,
    out: Path | None = None,
    resume: bool = False,
    strict: bool = False,
    init: str | None = None,
) -> Pretrained:
    """Run the pretraining that a configuration file describes.

    Args:
        config: YAML file; ``recipe: pairs`` for image-text pairs end to end, ``recipe: labels`` for image
            stages on labelled photographs.
        manifest: Of the photographs.
        out: Model folder instead of the configuration's.
        resume: Go on from the last checkpoint.
        strict: Stop when a row of the manifest cannot be used.
        init: Where the image tower of a pairs recipe starts.

    Raises:
        ValueError: Something cannot be used; the message is one sentence.
    """
    values = read_yaml(config)
    if out is not None:
        values = {**values, "out": str(out)}
    recipe = values.get("recipe")
    if recipe == "labels":
        return _on_labels(values, config, manifest, resume, strict, init)
    if recipe == "pairs":
        return _on_pairs(values, config, manifest, resume, strict, init)
    hint = "; use retizero train mae" if recipe == "mae" else ""
    raise ConfigError(f"{config}: recipe is pairs or labels, not {recipe!r}{hint}.")


def _on_pairs(
    values: dict[str, Any], config: Path, manifest: Path | None, resume: bool, strict: bool, init: str | None
) -> Pretrained:
    from retizero.training.pairs.pretrain import pretrain_pairs
    from retizero.training.pairs.recipe import PairRecipe

    towers = values.get("towers")
    if init is not None and isinstance(towers, dict):
        values = {**values, "towers": {**towers, "init": init}}
    settings = settings_of(values, PairRecipe, str(config))
    identity, history = pretrain_pairs(settings, manifest, resume, strict)
    silent = os.environ.get("RANK", "0") != "0"
    return Pretrained(settings.out, identity, history, settings.model_dump(mode="json"), silent)


def _on_labels(
    values: dict[str, Any], config: Path, manifest: Path | None, resume: bool, strict: bool, init: str | None
) -> Pretrained:
    from retizero.training.labelled.recipe import LabelRecipe
    from retizero.training.labelled.run import pretrain_labels

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"{config} trains in one process; start it without torchrun, which is for recipe: pairs."
        )
    if manifest is None:
        raise ConfigError(f"{config} trains on a manifest of labelled photographs: give --manifest.")
    if init is not None:
        raise ConfigError(f"--init is for recipe: pairs, not for {config}.")
    settings = settings_of(values, LabelRecipe, str(config))
    rows = without_repeats(read_manifest(manifest))
    known = len(rows.problems)
    if strict:
        rows = only_readable(rows)
    tell_problems(rows.problems, strict, _tell)
    try:
        identity, history = pretrain_labels(settings, rows, resume)
    except ImageReadError:  # found on the way: to open every photograph beforehand takes minutes
        rows = only_readable(rows)
        tell_problems(rows.problems[known:], strict, _tell)
        identity, history = pretrain_labels(settings, rows, resume)
    return Pretrained(settings.out, identity, history, settings.model_dump(mode="json"))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
