"""Settings of a fine-tuning run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from retizero.training.augment import Augmentation, AugmentationSettings
from retizero.training.domains import Domain
from retizero.training.running.settings import Optimiser, Run
from retizero.training.strict_settings import StrictSettings

Measure = Literal["balanced_accuracy", "top1", "macro_auc", "kappa_diabetic_retinopathy"]


class TowerStart(StrictSettings):
    """The image tower and what of it learns.

    Attributes:
        model: Known model, model folder, or ``imagenet-efficientnet-lite2``.
        learn: ``full``, every weight; ``lora``, low-rank updates that are folded in at the end; ``frozen``,
            only the classifier.
        rank: Of the low-rank updates.
        size: Side of the input square in pixels; the model's own when left out.
        drop: Dropout before the classifier.
    """

    model: str = "retizero-mini"
    learn: Literal["full", "lora", "frozen"] = "full"
    rank: int = Field(default=8, ge=1, le=1024)
    size: int | None = Field(default=None, ge=32)
    drop: float = Field(default=0.2, ge=0, lt=1)


class TowerOptimiser(Optimiser):
    """AdamW; the tower learns at ``learning_rate``, the classifier at the head's."""

    learning_rate: float = Field(default=3e-4, gt=0)
    head_learning_rate: float | None = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    warmup_epochs: float = Field(default=0.5, ge=0)


class ClassifierLoss(StrictSettings):
    """Cross entropy of the primary label.

    Attributes:
        class_weights: ``none``; ``sqrt``, the inverse square root of a class's photographs; ``balanced``,
            the inverse.
        smoothing: Label smoothing.
    """

    class_weights: Literal["none", "sqrt", "balanced"] = "sqrt"
    smoothing: float = Field(default=0.1, ge=0, lt=1)


class Choosing(StrictSettings):
    """Which epoch is kept.

    Attributes:
        measure: On the validation rows of the domain.
        patience: Epochs without a better one that end the run; None for no end.
    """

    measure: Measure = "balanced_accuracy"
    patience: int | None = Field(default=None, ge=1)


class FinetuneRecipe(Run):
    """A run from a manifest to a classifier folder.

    Attributes:
        manifest: CSV with image, label, split and, for domains, group and source.
        tower: Where it starts.
        loss: What it makes smaller.
        augmentation: How far views of a photograph differ; null trains on plain photographs.
        validation: Which epoch is kept.
        domain: Which rows are trained on, choose, and are tested on.
        resamples: Of the bootstrap of the test's table.
        cache: Folder of cropped photographs.
        trained_on: Data in words, for the model's identity.
        licence: Terms of the weights, for the model's identity.
    """

    manifest: Path
    epochs: int = Field(default=8, ge=1)
    batch: int = Field(default=32, ge=2)
    optimiser: TowerOptimiser = TowerOptimiser()
    tower: TowerStart = TowerStart()
    loss: ClassifierLoss = ClassifierLoss()
    augmentation: AugmentationSettings | None = Augmentation()
    validation: Choosing = Choosing()
    domain: Domain = Domain()
    resamples: int = Field(default=1000, ge=100)
    cache: Path = Path("build/features")
    trained_on: str = ""
    licence: str = ""
