"""Settings of a pretraining run, read from one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from retizero.knowledge import Style
from retizero.training.augment import Augmentation, AugmentationSettings
from retizero.training.errors import ConfigError as ConfigError
from retizero.training.strict_settings import StrictSettings, read_settings

_Number = Annotated[float, Field(strict=False)]  # YAML takes 1e-3 for a text
_Rate = Annotated[_Number, Field(gt=0, le=1e30)]  # what the optimiser makes of more overflows


class LossWeights(StrictSettings):
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

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    clip: _Number = Field(default=0.5, ge=0)
    identical: bool = True
    siglip: _Number = Field(default=0.0, ge=0)
    prototype: _Number = Field(default=1.0, ge=0)
    text: _Number = Field(default=0.2, ge=0)
    evidential: _Number = Field(default=0.0, ge=0)
    smoothing: _Number = Field(default=0.1, ge=0, lt=1)
    secondary: _Number = Field(default=0.3, ge=0, le=1)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any((self.clip, self.siglip, self.prototype, self.text, self.evidential)):
            raise ValueError("one of clip, siglip, prototype, text and evidential must count")
        return self


class PretrainConfig(StrictSettings):
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

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str
    out: str
    cache: str = "build/features"
    checkpoints: str = "build/checkpoints"
    checkpoint_every: int = Field(default=20, ge=1)
    label_set: str = "fundus42"
    start: str = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    size: int = Field(default=260, ge=8)
    crop: Literal["field", "squash"] = "field"
    embed_dim: int = Field(default=256, ge=1)
    frequent_pieces: int = Field(default=3000, ge=0)
    prompt_style: Style = "ensemble"
    template: str = Field(default="A fundus photograph of {label}", pattern=r"\{label\}")
    frozen_stages: int = Field(default=5, ge=0, le=7)
    views: int = Field(default=6, ge=0)
    epochs: int = Field(default=8, ge=1)
    batch: int = Field(default=64, ge=2)
    learning_rate: _Rate = 5e-4
    layer_decay: _Number = Field(default=1.0, gt=0, le=1)
    head_learning_rate: _Rate = 2e-3
    weight_decay: _Number = Field(default=0.02, ge=0, le=1e6)
    warmup: _Number = Field(default=0.08, ge=0, le=1)
    balance: _Number = Field(default=0.5, ge=0, le=10)
    source_balance: _Number = Field(default=0.0, ge=0, le=10)
    phantoms: int = Field(default=0, ge=0)
    mixup: _Number = Field(default=0.0, ge=0)
    keep: Literal["best", "last"] = "best"
    drop: _Number = Field(default=0.2, ge=0, lt=1)
    ema: _Number = Field(default=0.98, ge=0, lt=1)
    mirror: bool = False
    augmentation: AugmentationSettings = Augmentation()
    loss: LossWeights = LossWeights()
    trained_on: str = ""
    licence: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return self.model_dump()


def read_config(path: Path) -> PretrainConfig:
    """Read a YAML file strictly.

    Raises:
        ConfigError: The file is missing, not YAML, or a setting in it is unknown, missing or impossible.
    """
    return read_settings(path, PretrainConfig)
