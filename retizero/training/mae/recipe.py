"""Settings of masked autoencoding, read from one YAML file with ``recipe: mae``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from retizero.training.pairs.recipe import Picture, Pictures
from retizero.training.running.settings import Run


class MaeRecipe(Run):
    """Everything a run depends on besides its photographs; ``out`` is a checkpoint file in RETFound's layout.

    Attributes:
        data: Where the photographs are.
        picture: Preprocessing and views.
        split: Rows of the manifest that validate; those of ``train`` train, or all rows where none says so.
        vit: Sizes of the image tower that differ from the published ones.
        decoder_dim: Width of the decoder.
        decoder_depth: Blocks of the decoder.
        decoder_heads: Attention heads of the decoder.
        masked: Share of the patches that is hidden (He et al. 2022: 0.75).
        normalise_patches: Paint patches of zero mean and unit variance, as He et al. do for representations.
        patience: Epochs without a lower validation loss that end the run; None for no end.
    """

    recipe: Literal["mae"] = "mae"
    data: Pictures = Pictures()
    picture: Picture = Picture()
    split: str = "val"
    vit: dict[str, Any] = Field(default_factory=dict)
    decoder_dim: int = Field(default=512, ge=4, multiple_of=4)
    decoder_depth: int = Field(default=8, ge=1)
    decoder_heads: int = Field(default=16, ge=1)
    masked: float = Field(default=0.75, gt=0, lt=1)
    normalise_patches: bool = True
    patience: int | None = Field(default=None, ge=1)

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide the weights; a run resumes only with the same ones."""
        values = super().deciding()
        del values["data"]
        return values
