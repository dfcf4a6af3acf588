"""Settings of pretraining on labelled photographs, read from one YAML file with ``recipe: labels``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from retizero.data import Preprocess
from retizero.knowledge import Style
from retizero.training.augment import Augmentation, AugmentationSettings
from retizero.training.running.settings import Compute, Optimiser, Run
from retizero.training.strict_settings import StrictSettings

_MEAN, _STD = (127 / 255,) * 3, (128 / 255,) * 3  # of the published EfficientNet-Lite weights
_OF_THE_START = ("embed_dim", "frequent_pieces")
_OF_PAIRS = ("micro_batch", "checkpoint_blocks", "processes")


class LabelledPhotographs(StrictSettings):
    """Which photographs are drawn, and the words for their labels.

    Attributes:
        label_set: Candidate labels of training, validation and calibration.
        prompt_style: Prompts that stand for a label.
        template: Puts a label into words; ``{label}`` is where it goes.
        balance: Photographs are drawn with weight ``count(label) ** -balance``; 0 draws evenly.
        source_balance: That weight is multiplied by ``count(source) ** -source_balance``.
        phantoms: Rendered photographs that join the split ``train``, of the labels that phantoms have.
    """

    label_set: str = "fundus42"
    prompt_style: Style = "ensemble"
    template: str = Field(default="A fundus photograph of {label}", pattern=r"\{label\}")
    balance: float = Field(default=0.5, ge=0, le=10)
    source_balance: float = Field(default=0.0, ge=0, le=10)
    phantoms: int = Field(default=0, ge=0)


class LabelledPicture(StrictSettings):
    """Preprocessing, as it is saved with the model, and the views that training draws.

    Attributes:
        size: Side of the input square, pixels.
        crop: ``field`` cuts the square around the field of view; ``squash`` is the release's.
        mirror: Embed each photograph together with its mirror image when the model is used.
        views: Kept views of each photograph, the plain one included; 0 draws a new view each time, which
            costs the frozen stages' work at every step.
        augmentation: How far views differ.
        mixup: Photographs are blended in pairs, shares drawn from Beta(mixup, mixup); 0 for none (Zhang
            et al. 2018; of activations as in Verma et al. 2019).
    """

    size: int = Field(default=260, ge=8)
    crop: Literal["field", "squash"] = "field"
    mirror: bool = Field(default=False, strict=True)
    views: int = Field(default=6, ge=0)
    augmentation: AugmentationSettings = Augmentation()
    mixup: float = Field(default=0.0, ge=0)

    @property
    def preprocess(self) -> Preprocess:
        """How photographs become pixels."""
        return Preprocess(self.size, _MEAN, _STD, self.crop, "bicubic")


class StagedTowers(StrictSettings):
    """The towers and what of them learns.

    Attributes:
        start: Folder of an earlier model of this kind to go on from; None for published weights.
        frozen_stages: Image stages that do not learn, 0 to 7.
        drop: Dropout before the image projection.
        embed_dim: Length of the joint embedding.
        frequent_pieces: WordPiece entries kept besides those that the catalogue needs.
    """

    start: Path | None = None
    frozen_stages: int = Field(default=5, ge=0, le=7)
    drop: float = Field(default=0.2, ge=0, lt=1)
    embed_dim: int = Field(default=256, ge=1)
    frequent_pieces: int = Field(default=3000, ge=0)

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> Self:
        vain = self.model_fields_set.intersection(_OF_THE_START)
        if self.start is not None and vain:
            raise ValueError(f"with start there is no {min(vain)} to choose: it is that model's")
        return self


class StagedOptimiser(Optimiser):
    """AdamW; image stages learn at ``learning_rate``, projections and logit scale at the head's.

    Attributes:
        layer_decay: Factor of the learning rate from each image stage to the one before it; 1 for none.
    """

    learning_rate: float = Field(default=5e-4, gt=0)
    head_learning_rate: float | None = Field(default=2e-3, gt=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    weight_decay: float = Field(default=0.02, ge=0)
    betas: tuple[float, float] = (0.9, 0.98)
    warmup_epochs: float = Field(default=0.6, ge=0)
    average: float | None = Field(default=0.98, gt=0, lt=1)


class StagedCompute(Compute):
    """How a step is computed: in one process, a batch at once, by default in what the device is fast in."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> Self:
        if vain := self.model_fields_set.intersection(_OF_PAIRS):
            raise ValueError(f"there is no {min(vain)} to choose: one process takes a batch at once")
        return self


class LabelLosses(StrictSettings):
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

    clip: float = Field(default=0.5, ge=0)
    identical: bool = Field(default=True, strict=True)
    siglip: float = Field(default=0.0, ge=0)
    prototype: float = Field(default=1.0, ge=0)
    text: float = Field(default=0.2, ge=0)
    evidential: float = Field(default=0.0, ge=0)
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    secondary: float = Field(default=0.3, ge=0, le=1)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any((self.clip, self.siglip, self.prototype, self.text, self.evidential)):
            raise ValueError("one of clip, siglip, prototype, text and evidential must count")
        return self


class LabelRecipe(Run):
    """Everything a run depends on besides its manifest; ``out`` is a model folder.

    Attributes:
        data: Photographs and words.
        picture: Preprocessing and views.
        towers: What learns.
        loss: Weights of the terms.
        keep: ``best``: the weights of the epoch with the best validation score are written; ``last``: those
            of the last one, where too few photographs validate to choose by.
        patience: Epochs without a better score that end the run; None for no end.
        cache: Folder of what is computed once.
        trained_on: Data in words, for the model's identity.
        licence: Terms of the weights, for the model's identity.
    """

    recipe: Literal["labels"] = "labels"
    epochs: int = Field(default=8, ge=1)
    batch: int = Field(default=64, ge=2)
    data: LabelledPhotographs = LabelledPhotographs()
    picture: LabelledPicture = LabelledPicture()
    towers: StagedTowers = StagedTowers()
    optimiser: StagedOptimiser = StagedOptimiser()
    loss: LabelLosses = LabelLosses()
    compute: StagedCompute = StagedCompute()
    keep: Literal["best", "last"] = "best"
    patience: int | None = Field(default=None, ge=1)
    checkpoint_every: int = Field(default=20, ge=1)
    cache: Path = Path("build/features")
    trained_on: str = ""
    licence: str = ""

    @model_validator(mode="after")
    def _can_end(self) -> Self:
        if self.patience is not None and self.keep == "last":
            raise ValueError("patience needs keep: best; with last no epoch is better than another")
        return self

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide the weights; a run resumes only with the same ones."""
        values = super().deciding()
        for name in ("cache", "trained_on", "licence"):
            del values[name]
        return values
