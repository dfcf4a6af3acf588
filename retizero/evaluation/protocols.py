"""Protocols as data: what is asked, what counts as right, and how many resamples make an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from retizero.evaluation.bootstrap import RESAMPLES
from retizero.evaluation.errors import EvaluationError
from retizero.knowledge import STYLES

TOP_K = (1, 3, 5)
_CHOICES = {
    "similarity": ("cosine", "official"),
    "exclude": ("group", "image"),
    "relevant": ("any label", "primary label"),
    "prompt_style": (None, *STYLES),
}


class _Checked:
    """Refuses values that no protocol can have, by name."""

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        for name, allowed in _CHOICES.items():
            if name in given and given[name] not in allowed:
                listed = ", ".join(str(each) for each in allowed if each)
                raise EvaluationError(f"{name} of a protocol is one of {listed}, not {given[name]!r}.")
        if not given["k"] or any(type(k) is not int or k < 1 for k in given["k"]):
            raise EvaluationError("k of a protocol is a list of whole numbers from 1 on.")
        if any(not 0 < each <= 1 for each in given.get("coverages", ())):
            raise EvaluationError("coverages of a protocol lie above 0 and at most at 1.")
        for name, value in given.items():
            if isinstance(getattr(type(self), name, None), int) and (type(value) is not int or value < 0):
                raise EvaluationError(f"{name} of a protocol is a whole number, not {value!r}.")
        if given["resamples"] < 100:
            raise EvaluationError("resamples of a protocol is at least 100.")


@dataclass(frozen=True)
class ZeroShotProtocol(_Checked):
    """Rank candidate labels for every image.

    Attributes:
        name: Of the protocol.
        title: What it does, in one line.
        labels: Candidates as ``parse_labels`` takes them; the manifest's own labels where None.
        prompt_style: How labels are worded; the model's own way where None.
        k: For Top-k accuracy.
        coverages: Shares of images at which the selective risk is given.
        resamples: Of the bootstrap.
    """

    name: str = "plain"
    title: str = ""
    labels: str | None = None
    prompt_style: str | None = None
    k: tuple[int, ...] = TOP_K
    coverages: tuple[float, ...] = (0.5, 0.8, 0.9)
    resamples: int = RESAMPLES


@dataclass(frozen=True)
class RetrievalProtocol(_Checked):
    """Search a gallery for images like the query.

    Attributes:
        name: Of the protocol.
        title: What it does, in one line.
        similarity: ``cosine``, or ``official``, the release's (see ``official``).
        exclude: Whether other images of the query's group count, or only the query itself is left out.
        relevant: Whether a result must share any label or the primary one.
        k: For precision@k and hit@k.
        resamples: Of the bootstrap.
        umap_neighbours: Of the release's embedding of all images together, as are the next four.
        umap_components: Dimensions.
        min_cluster_size: Smallest HDBSCAN cluster.
        across_clusters: Factor on similarities between clusters.
        umap_seed: Random state.
    """

    name: str = "cosine"
    title: str = ""
    similarity: Literal["cosine", "official"] = "cosine"
    exclude: Literal["group", "image"] = "group"
    relevant: Literal["any label", "primary label"] = "any label"
    k: tuple[int, ...] = TOP_K
    resamples: int = RESAMPLES
    umap_neighbours: int = 20
    umap_components: int = 256
    min_cluster_size: int = 100
    across_clusters: float = 0.5
    umap_seed: int = 42


_P = TypeVar("_P", ZeroShotProtocol, RetrievalProtocol)


def protocol_names(task: Literal["zero-shot", "retrieval"]) -> tuple[str, ...]:
    """Names of the protocols that come with the package."""
    return tuple(_packaged()[task])


def zero_shot_protocol(spec: str) -> ZeroShotProtocol:
    """Return a protocol by its name or from a YAML file.

    Raises:
        EvaluationError: There is none, or its values cannot be used.
    """
    return _find(spec, "zero-shot", ZeroShotProtocol)


def retrieval_protocol(spec: str) -> RetrievalProtocol:
    """Return a protocol by its name or from a YAML file; raises as ``zero_shot_protocol``."""
    return _find(spec, "retrieval", RetrievalProtocol)


def described(protocol: ZeroShotProtocol | RetrievalProtocol) -> dict[str, Any]:
    """Return a protocol as plain values for JSON."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in asdict(protocol).items()
    }


def _find(spec: str, task: Literal["zero-shot", "retrieval"], kind: type[_P]) -> _P:
    if spec in _packaged()[task]:
        return _build(spec, _packaged()[task][spec], kind)
    path = Path(spec)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        named = ", ".join(protocol_names(task))
        raise EvaluationError(f"There is no protocol {spec!r}; there are {named}, or a YAML file.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        raise EvaluationError(f"{path} is not a YAML file that can be read.") from None
    if not isinstance(values, dict):
        raise EvaluationError(f"{path} is not a list of keys and values.")
    return _build(path.stem, values, kind)


def _build(name: str, values: Mapping[str, Any], kind: type[_P]) -> _P:
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(map(str, values)) - known):
        listed = ", ".join(sorted(known))
        raise EvaluationError(f"The protocol {name!r} has an unknown key {unknown[0]!r}; keys are {listed}.")
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    given.setdefault("name", name)
    try:
        return kind(**given)
    except TypeError:
        raise EvaluationError(f"The protocol {name!r} has a value of the wrong kind.") from None


@cache
def _packaged() -> dict[str, dict[str, dict[str, Any]]]:
    text = resources.files("retizero.evaluation").joinpath("protocols.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(text)
    return loaded
