"""Settings of a probe run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

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
        shots: Training photographs of each class, or ``all``. A class that has fewer gives all it has; where
            every class of a domain has fewer, the row is left out of the table and told on stderr.
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
    methods: tuple[str, ...] = ("zero-shot", "ss-text", "tip-adapter", "lp++", "linear")
    shots: tuple[Shots, ...] = ("all",)
    seeds: tuple[int, ...] = (0, 1, 2)
    choose_by: ChooseBy = "balanced_accuracy"
    validation_shots: int = Field(default=4, ge=0)
    domains: tuple[Domain, ...] = (Domain(),)
    resamples: int = Field(default=1000, ge=100)
    cache: Path = Path("build/features")

    @field_validator("methods", mode="before")
    @classmethod
    def _methods(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        each = _each_once(given, "[ss-text, linear]")
        if unknown := [name for name in each if not isinstance(name, str) or name not in METHODS]:
            raise ValueError(f"there is no method {unknown[0]!r}; methods are {', '.join(METHODS)}")
        return each

    @field_validator("shots", mode="before")
    @classmethod
    def _shots(cls, given: Any) -> Any:  # noqa: ANN401
        each = _each_once(given, "[1, 4, all]")
        if not all(shots == "all" or _is_number(shots, 1) for shots in each):
            raise ValueError("must be whole numbers from 1, or all")
        return each

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, given: Any) -> Any:  # noqa: ANN401
        each = _each_once(given, "[0, 1, 2]")
        if not all(_is_number(seed, 0) for seed in each):
            raise ValueError("must be whole numbers from 0")
        return each

    @field_validator("domains", mode="before")
    @classmethod
    def _domains(cls, given: Any) -> Any:  # noqa: ANN401
        return _listed(given, "[{name: all sources}]")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        textual = [name for name in self.methods if METHODS[name].reads_text]
        if self.features == "tower" and textual:
            raise ValueError(f"{textual[0]} needs features: embedding")
        names = [domain.name for domain in self.domains]
        if len(set(names)) < len(names):
            raise ValueError("two domains have the same name")
        return self


def _each_once(given: Any, example: str) -> list[Any]:  # noqa: ANN401
    """Return the members of a list that is not empty and names nothing twice."""
    found = _listed(given, example)
    for place, each in enumerate(found):
        if any(each == other and type(each) is type(other) for other in found[:place]):
            raise ValueError(f"{each!r} is there twice")
    return found


def _listed(given: Any, example: str) -> list[Any]:  # noqa: ANN401
    if not isinstance(given, list | tuple) or not given:
        raise ValueError(f"must be a list of at least one, such as {example}")
    return list(given)


def _is_number(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
