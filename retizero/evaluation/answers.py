"""What a model answered, image by image: written into a result file so that results can be compared later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.data import ManifestRow
from retizero.evaluation.errors import EvaluationError


@dataclass(frozen=True)
class ImageRef:
    """One image of a result.

    Attributes:
        name: As the manifest writes it.
        digest: First 16 hexadecimal digits of the SHA-256 of the file.
        group: Its group; of a photograph without one, its name.
        source: Where it comes from, may be empty.
    """

    name: str
    digest: str
    group: str
    source: str

    @property
    def key(self) -> tuple[str, str]:
        """What makes two entries of two results the same image."""
        return self.name, self.digest

    def to_dict(self) -> dict[str, str]:
        """Return plain values for JSON."""
        return {"image": self.name, "digest": self.digest, "group": self.group, "source": self.source}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageRef:
        """Read what ``to_dict`` wrote."""
        return cls(values["image"], values["digest"], values["group"], values["source"])


def digest_of(path: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def image_ref(row: ManifestRow) -> ImageRef:
    """What a result remembers of an image; a photograph without a group is known by its name."""
    group = row.name if row.group == str(row.image.resolve()) else row.group
    return ImageRef(row.name, digest_of(row.image), group, row.source)


@dataclass(frozen=True)
class Answers:
    """Scores of N images over K candidates, with the truth.

    Attributes:
        images: N images.
        ids: K candidate ids.
        names: What the candidates are called.
        scores: (N, K) calibrated probabilities.
        truth: (N, K) whether a candidate is true.
        primary: (N,) index of the primary label.
        uncertainty: (N,) Dirichlet uncertainty, None where the model has none.
        sets: N conformal sets of ids, None where the candidates are not calibrated.
        coverage: What the sets promise, None where there are none.
    """

    images: tuple[ImageRef, ...]
    ids: tuple[str, ...]
    names: tuple[str, ...]
    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    primary: NDArray[np.int64]
    uncertainty: NDArray[np.float64] | None
    sets: tuple[tuple[str, ...], ...] | None
    coverage: float | None

    @property
    def groups(self) -> list[str]:
        """Group of each image."""
        return [image.group for image in self.images]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row of plain values per image; scores are in the order of the candidates."""
        ids = np.array(self.ids)
        return [
            {
                **image.to_dict(),
                "primary": self.ids[self.primary[i]],
                "truth": ids[self.truth[i]].tolist(),
                "scores": self.scores[i].tolist(),
                "uncertainty": None if self.uncertainty is None else float(self.uncertainty[i]),
                "conformal_set": None if self.sets is None else list(self.sets[i]),
            }
            for i, image in enumerate(self.images)
        ]

    @classmethod
    def from_report(cls, report: Mapping[str, Any]) -> Answers:
        """Read the answers of a result file.

        Raises:
            EvaluationError: It has none, or they are damaged.
        """
        try:
            rows: Sequence[Mapping[str, Any]] = report["images"]
            ids, names = tuple(report["protocol"]["candidates"]), tuple(report["protocol"]["names"])
            place = {id: column for column, id in enumerate(ids)}
            truth = np.zeros((len(rows), len(ids)), np.bool_)
            for line, row in enumerate(rows):
                truth[line, [place[id] for id in row["truth"]]] = True
            scores = np.array([row["scores"] for row in rows], np.float64)
            if not rows or scores.shape != truth.shape or not truth.any(axis=1).all():
                raise ValueError
            uncertain = all(row["uncertainty"] is not None for row in rows)
            coverage = report["protocol"]["conformal_target"]
            return cls(
                images=tuple(ImageRef.from_dict(row) for row in rows),
                ids=ids,
                names=names,
                scores=scores,
                truth=truth,
                primary=np.array([place[row["primary"]] for row in rows]),
                uncertainty=np.array([row["uncertainty"] for row in rows], float) if uncertain else None,
                sets=None if coverage is None else tuple(tuple(row["conformal_set"]) for row in rows),
                coverage=coverage,
            )
        except (KeyError, TypeError, ValueError, IndexError):
            raise EvaluationError(
                "The result has no answers image by image; write it with --out of this version."
            ) from None


def read_result(path: Path) -> dict[str, Any]:
    """Read a result file of ``retizero evaluate``.

    Raises:
        EvaluationError: It cannot be read, or is no result.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read.") from error
    except ValueError as error:
        raise EvaluationError(f"{path} is not a JSON file.") from error
    if not isinstance(report, dict) or "protocol" not in report:
        raise EvaluationError(f"{path} is not a result of retizero evaluate.")
    return report
