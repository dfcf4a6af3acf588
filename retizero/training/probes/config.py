"""Settings of a probe run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from retizero.training.domains import Domain
from retizero.training.probes.features import Kind
from retizero.training.probes.methods import METHODS
from retizero.training.probes.problem import ChooseBy
from retizero.training.strict_settings import StrictSettings

Shots = int | Literal["all"]


class ProbeConfig(StrictSettings):
    """Which tower, which probes, how many photographs, trained and tested where.

    Attributes:
        manifest: CSV with image, label, split and, for domains, group and source.
        out: Folder of ``results.csv``, ``results.json``, ``results.md`` and ``heads/``.
        model: Known model, model folder, or ``imagenet-efficientnet-lite2``.
        features: ``embedding``, beside the model's texts; ``tower``, before the projection.
        size: Side of the input square in pixels; the model's own when left out.
        methods: zero-shot, simple-shot, ss-text, tip-adapter, lp++, linear.
        shots: Training photographs of each class, or ``all``.
        seeds: Draws of the training photographs; results are averaged over them.
        choose_by: What decides between settings of a probe, on validation photographs.
        validation_shots: Validation photographs of each class are at most so many, and no more than there are
            training ones, as in the few-shot literature; with ``all`` every one is used.
        domains: Where is trained and tested.
        resamples: Of the bootstrap.
        cache: Folder of computed features.
    """

    manifest: Path
    out: Path
    model: str = "retizero-mini"
    features: Kind = "embedding"
    size: int | None = Field(default=None, ge=32)
    methods: tuple[str, ...] = Field(
        default=("zero-shot", "ss-text", "tip-adapter", "lp++", "linear"), min_length=1
    )
    shots: tuple[Shots, ...] = Field(default=("all",), min_length=1)
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    choose_by: ChooseBy = "balanced_accuracy"
    validation_shots: int = Field(default=4, ge=0)
    domains: tuple[Domain, ...] = Field(default=(Domain(),), min_length=1)
    resamples: int = Field(default=1000, ge=100)
    cache: Path = Path("build/features")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if unknown := sorted(set(self.methods) - set(METHODS)):
            raise ValueError(f"there is no method {unknown[0]!r}; methods are {', '.join(METHODS)}")
        textual = [name for name in self.methods if METHODS[name].reads_text]
        if self.features == "tower" and textual:
            raise ValueError(f"{textual[0]} needs features: embedding")
        if any(isinstance(shots, int) and shots < 1 for shots in self.shots):
            raise ValueError("shots are whole numbers from 1, or all")
        names = [domain.name for domain in self.domains]
        if len(set(names)) < len(names):
            raise ValueError("two domains have the same name")
        return self
