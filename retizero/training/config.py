"""Settings of a pretraining run, read from one YAML file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from retizero.training.augment import Augmentation


class ConfigError(ValueError):
    """A training configuration cannot be used; the message says what to change."""


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts.

    Attributes:
        clip: Image and caption against the batch.
        identical: Images that show the caption's disease are its positives; only its own otherwise.
        siglip: Image and caption as pairs that belong together or not (Zhai et al. 2023).
        prototype: Image against one prototype per label, the mean embedding of its prompts.
        text: Prompt against the prototypes of the whole catalogue; keeps unseen diseases apart.
        evidential: The paper's evidential term on the batch.
        smoothing: Label smoothing of the prototype term.
        secondary: Share of the prototype target that goes to a photograph's further labels.
    """

    clip: float = 0.5
    identical: bool = True
    siglip: float = 0.0
    prototype: float = 1.0
    text: float = 0.2
    evidential: float = 0.0
    smoothing: float = 0.1
    secondary: float = 0.3


@dataclass(frozen=True)
class PretrainConfig:
    """Everything a run depends on besides its manifest.

    Attributes:
        id: Id of the model that is made.
        title: Its name for people.
        out: Folder of the model.
        cache: Folder of cached activations.
        checkpoints: Folder of the checkpoints that runs resume from.
        checkpoint_every: Steps between checkpoints.
        label_set: Candidate labels of validation and calibration.
        start: Folder of an earlier model of the same shape to go on from; empty for published weights.
        seed: Seeds sampling, views and initial projections.
        size: Side of the input square, pixels.
        crop: ``field`` or ``squash``.
        embed_dim: Length of the joint embedding.
        frequent_pieces: WordPiece entries kept besides those that the catalogue needs.
        prompt_style: Prompts that stand for a label.
        template: Prompt template.
        frozen_stages: Image stages that do not learn, 0 to 7.
        views: Kept views of each photograph, the plain one included; 0 draws a new view each time, which
            costs the frozen stages' work at every step.
        epochs: Passes over as many draws as there are photographs.
        batch: Photographs per step.
        learning_rate: Peak, of the image stages that learn.
        layer_decay: Factor of the learning rate from each image stage to the one before it; 1 for none.
        head_learning_rate: Peak, of projections and logit scale.
        weight_decay: AdamW's, on matrices and kernels only.
        warmup: Fraction of all steps with rising learning rate; a cosine to zero follows.
        balance: Photographs are drawn with weight ``count(label) ** -balance``; 0 draws evenly.
        source_balance: That weight is multiplied by ``count(source) ** -source_balance``.
        phantoms: Rendered photographs that join the split ``train``, of the labels that phantoms have.
        mixup: Photographs are blended in pairs, shares drawn from Beta(mixup, mixup); 0 for none (Zhang
            et al. 2018; of activations as in Verma et al. 2019).
        keep: ``best``: the weights of the epoch with the best validation score are written; ``last``: those
            of the last one, where too few photographs validate to choose by.
        drop: Dropout before the image projection.
        ema: Decay of the averaged weights, per step.
        mirror: Embed each photograph together with its mirror image when the model is used.
        augmentation: How far views differ.
        loss: Weights of the loss terms.
        trained_on: Data in words, for the model's identity.
        licence: Terms of the weights, for the model's identity.
    """

    id: str
    title: str
    out: str
    cache: str = "build/features"
    checkpoints: str = "build/checkpoints"
    checkpoint_every: int = 20
    label_set: str = "fundus42"
    start: str = ""
    seed: int = 0
    size: int = 260
    crop: str = "field"
    embed_dim: int = 256
    frequent_pieces: int = 3000
    prompt_style: str = "ensemble"
    template: str = "A fundus photograph of {label}"
    frozen_stages: int = 5
    views: int = 6
    epochs: int = 8
    batch: int = 64
    learning_rate: float = 5e-4
    layer_decay: float = 1.0
    head_learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup: float = 0.08
    balance: float = 0.5
    source_balance: float = 0.0
    phantoms: int = 0
    mixup: float = 0.0
    keep: str = "best"
    drop: float = 0.2
    ema: float = 0.98
    mirror: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossWeights = field(default_factory=LossWeights)
    trained_on: str = ""
    licence: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def read_config(path: Path) -> PretrainConfig:
    """Read a YAML file strictly.

    Raises:
        ConfigError: The file is missing, not YAML, or has a missing or unknown setting.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The configuration {path} cannot be opened.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration {path} is not valid YAML.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The configuration {path} must hold settings by name.")
    for name, kind in (("augmentation", Augmentation), ("loss", LossWeights)):
        if name in values:
            values[name] = kind(**_known(values[name], kind, f"{path}, {name}"))
    for required in ("id", "title", "out"):
        if required not in values:
            raise ConfigError(f"The configuration {path} lacks {required}.")
    if values.get("keep", "best") not in ("best", "last"):
        raise ConfigError(f"{path}: keep must be best or last, not {values['keep']!r}.")
    return PretrainConfig(**_known(values, PretrainConfig, str(path)))


def _known(values: dict[str, Any], kind: type[Any], where: str) -> dict[str, Any]:
    names = {entry.name: entry.type for entry in fields(kind)}
    if unknown := sorted(set(values) - set(names)):
        raise ConfigError(f"{where}: unknown settings {', '.join(unknown)}.")
    for name, value in values.items():
        if names[name] == "float" and not isinstance(value, int | float):
            raise ConfigError(f"{where}: {name} must be a number, not {value!r}.")
        if names[name] == "int" and (not isinstance(value, int) or isinstance(value, bool)):
            raise ConfigError(f"{where}: {name} must be a whole number, not {value!r}.")
    return values
