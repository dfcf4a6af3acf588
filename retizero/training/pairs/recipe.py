"""Settings of pretraining from image-text pairs, read from one YAML file with ``recipe: pairs``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from retizero.data import Preprocess
from retizero.training.augment import Augmentation, AugmentationSettings
from retizero.training.running.settings import Run
from retizero.training.strict_settings import StrictSettings

_BESIDE_A_FOLDER = ("folder", "image", "text", "lora_rank")


class Pictures(StrictSettings):
    """Where photographs come from.

    Attributes:
        manifest: CSV; the command line may name another.
        shards: WebDataset tar files instead, with wildcards or ``{0000..0034}``.
        check: ``decode`` opens every photograph before training starts and reports those that cannot be read;
            ``none`` opens those that validate, and reports others when they come up. ``--strict`` opens all.
    """

    manifest: Path | None = None
    shards: str | None = None
    check: Literal["decode", "none"] = "decode"


class PairData(Pictures):
    """Where pairs come from and how photographs and captions are drawn.

    Attributes:
        template: Puts a label into words; ``{label}`` is where it goes.
        captions: How the catalogue words a pair that has labels and no caption.
        same: What makes two pairs say the same: their ``caption``, or their ``label`` where they have one.
        draw: ``all`` takes every pair once per epoch; ``balanced`` draws rare labels more often, with weight
            ``count ** -0.5``.
    """

    template: str = Field(default="A fundus photograph of {label}", pattern=r"\{label\}")
    captions: Literal["template", "name", "findings", "descriptions", "ensemble"] = "template"
    same: Literal["caption", "label"] = "caption"
    draw: Literal["all", "balanced"] = "all"


class Picture(StrictSettings):
    """Preprocessing, as it is saved with the model, and the views that training draws.

    Attributes:
        size: Side of the input square, pixels; None takes the tower's.
        mean: Of channels in 0 to 1.
        std: Of channels in 0 to 1.
        crop: ``field`` cuts the square around the field of view; ``squash`` is the release's.
        interpolation: ``bilinear`` or ``bicubic``.
        augmentation: How far views differ; ``{}`` takes the defaults, null trains on plain photographs.
    """

    size: int | None = Field(default=None, ge=8)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)
    crop: Literal["field", "squash"] = "field"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    augmentation: AugmentationSettings | None = Augmentation()

    def preprocess(self, size: int) -> Preprocess:
        """Return the preprocessing for a tower of this input size."""
        return Preprocess(self.size or size, self.mean, self.std, self.crop, self.interpolation)


class TowerSettings(StrictSettings):
    """Both towers.

    Attributes:
        architecture: ``retizero`` (ViT + BERT) or ``open_clip`` (any timm trunk + BERT).
        folder: A model folder to go on from; then architecture, sizes and tokenizer are those of the folder.
        init: ``random``, or ``mae`` for an image tower from ``mae``.
        mae: Checkpoint of a masked autoencoder: RETFound's, or one of ``retizero train mae``.
        bert: Folder of a BERT to start the text tower from (Bio_ClinicalBERT in the paper), with its
            tokenizer.
        tokenizer: Folder with ``tokenizer.json`` or ``vocab.txt``, where ``bert`` is not given.
        vit: Sizes of RetiZero's image tower that differ from the published ones.
        vision: open_clip's ``vision_cfg``.
        bert_sizes: ``BertConfig`` values of the text tower that differ from BERT-base.
        embed_dim: Length of the joint embedding.
        context_length: Longest caption in tokens.
        image: What learns of the image tower: ``lora`` (query and value of attention), ``full``, ``frozen``.
        lora_rank: Rank of LoRA.
        text: What learns of the text tower besides its projection: ``full`` or ``frozen``.
    """

    architecture: Literal["retizero", "open_clip"] = "retizero"
    folder: Path | None = None
    init: Literal["random", "mae"] = "random"
    mae: Path | None = None
    bert: Path | None = None
    tokenizer: Path | None = None
    vit: dict[str, Any] = Field(default_factory=dict)
    vision: dict[str, Any] = Field(default_factory=dict)
    bert_sizes: dict[str, Any] = Field(default_factory=dict)
    embed_dim: int = Field(default=512, ge=1)
    context_length: int = Field(default=77, ge=3)
    image: Literal["lora", "full", "frozen"] = "lora"
    lora_rank: int = Field(default=8, ge=1)
    text: Literal["full", "frozen"] = "full"

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> Self:
        mine = type(self).model_fields
        chosen = [
            name for name in mine if getattr(self, name) != mine[name].get_default(call_default_factory=True)
        ]
        if self.folder is not None and (vain := [name for name in chosen if name not in _BESIDE_A_FOLDER]):
            raise ValueError(
                f"with folder there is no {vain[0]} to choose: sizes, weights and tokenizer are the folder's"
            )
        other = "vision" if self.architecture == "retizero" else "vit"
        if other in chosen:
            raise ValueError(f"{other} belongs to the other architecture, not to {self.architecture}")
        return self

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.init == "mae" and self.mae is None:
            raise ValueError(
                "init mae needs mae: the checkpoint of a masked autoencoder, RETFound's or one of "
                "retizero train mae"
            )
        if self.folder is None and self.bert is None and self.tokenizer is None:
            raise ValueError("name one of folder, bert or tokenizer: captions need a tokenizer")
        if self.architecture == "open_clip" and not self.folder and "timm_model_name" not in self.vision:
            raise ValueError(
                "architecture open_clip needs vision, open_clip's vision_cfg, with timm_model_name"
            )
        return self


class PairLosses(StrictSettings):
    """How much each term counts.

    Attributes:
        clip: Contrastive cross entropy.
        siglip: Pairwise sigmoid loss, instead or as well.
        evidential: The paper's evidential term.
        ramp_epochs: Epochs until the divergence in it has full weight.
        positives: ``pairs`` takes every other caption of the batch as a negative, as in the paper; ``same``
            does not where it says the same (``data.same``).
        chunk: Rows of the evidential term computed at once; less needs less memory.
    """

    clip: float = Field(default=1.0, ge=0)
    siglip: float = Field(default=0.0, ge=0)
    evidential: float = Field(default=1.0, ge=0)
    ramp_epochs: int = Field(default=15, ge=1)
    positives: Literal["pairs", "same"] = "pairs"
    chunk: int | None = Field(default=1024, ge=1)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.clip and not self.siglip:
            raise ValueError("clip or siglip must count")
        return self


class Validation(StrictSettings):
    """How the best epoch is found.

    Attributes:
        protocol: ``zero-shot`` ranks a label set by text prompts and takes the mean of Top-1, Top-3, Top-5
            and balanced accuracy; ``retrieval`` finds captions by photographs and takes the mean recall at 1,
            5 and 10; ``none`` keeps the last epoch.
        label_set: Candidates of ``zero-shot`` and of the calibration.
        split: Rows of the manifest that validate; those of ``train`` train, or all rows where none says so.
        patience: Epochs without improvement that end the run; None for no end.
    """

    protocol: Literal["zero-shot", "retrieval", "none"] = "zero-shot"
    label_set: str = "fundus42"
    split: str = "val"
    patience: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _can_end(self) -> Self:
        if self.patience is not None and self.protocol == "none":
            raise ValueError("patience needs a protocol; with none nothing is validated")
        return self


class PairRecipe(Run):
    """Everything a run depends on besides its pairs."""

    recipe: Literal["pairs"] = "pairs"
    data: PairData = PairData()
    picture: Picture = Picture()
    towers: TowerSettings
    loss: PairLosses = PairLosses()
    validation: Validation = Validation()
    trained_on: str = ""
    licence: str = ""

    @model_validator(mode="after")
    def _as_the_folder_says(self) -> Self:
        vain = self.picture.model_fields_set - {"augmentation"}
        if self.towers.folder is not None and vain:
            raise ValueError(
                f"with towers.folder there is no picture.{min(vain)} to choose: it is the folder's"
            )
        return self

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide the weights; a run resumes only with the same ones."""
        values = super().deciding()
        del values["trained_on"], values["licence"]
        for name in ("manifest", "shards", "check"):
            del values["data"][name]
        return values
