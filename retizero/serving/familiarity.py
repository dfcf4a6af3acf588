"""How far a photograph's embedding lies from those that the model was made with.

Fitted by ``retizero train familiarity`` and stored beside the weights it belongs to; other weights ignore it.
The distance is Mahalanobis' (Lee et al. 2018), scaled so that 99 % of validation photographs lie below 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

FILE = "familiarity.safetensors"
_USUAL = 0.99  # share of validation photographs with a distance below 1
_SHRINKAGE = 0.003  # of the mean variance, added to the covariance's diagonal


@dataclass(frozen=True)
class Familiarity:
    """What the embeddings of one model's photographs look like.

    Attributes:
        weights_sha256: The weights that made the embeddings.
        mean: (D,) float32.
        whitening: (D, D) float32; ``|(x - mean) @ whitening|^2`` is the scaled distance.
        limit: Largest sum of this distance and the appearance's (``Look.oddness``) that still gets an answer.
    """

    weights_sha256: str
    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    limit: float

    def distances(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scaled squared distances (N,) of embeddings (N, D)."""
        apart = (embeddings - self.mean) @ self.whitening
        return np.asarray((apart.astype(np.float64) ** 2).sum(axis=1))

    def save(self, folder: Path) -> None:
        """Write the file into a model folder."""
        metadata = {"weights_sha256": self.weights_sha256, "limit": f"{self.limit:.6g}"}
        save_file({"mean": self.mean, "whitening": self.whitening}, folder / FILE, metadata)


def fit_familiarity(
    weights_sha256: str,
    known: NDArray[np.float32],
    held_out: NDArray[np.float32],
    oddness: NDArray[np.float64],
    accepted: float,
) -> Familiarity:
    """Fit on embeddings of photographs that the model knows, and of held-out ones.

    Args:
        weights_sha256: The weights that made the embeddings.
        known: (N, D).
        held_out: (M, D), they decide scale and limit.
        oddness: (M,) of the held-out photographs' appearance.
        accepted: Share of held-out photographs below the limit.
    """
    mean = known.mean(axis=0, dtype=np.float64)
    covariance = np.cov((known - mean).T)
    covariance += _SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(values)
    plain = Familiarity(weights_sha256, mean.astype(np.float32), whitening.astype(np.float32), 0.0)
    unit = float(np.quantile(plain.distances(held_out), _USUAL))
    scaled = Familiarity(weights_sha256, plain.mean, (whitening / np.sqrt(unit)).astype(np.float32), 0.0)
    limit = float(np.quantile(scaled.distances(held_out) + oddness, accepted))
    return Familiarity(weights_sha256, scaled.mean, scaled.whitening, limit)


def read_familiarity(folder: Path, weights_sha256: str) -> Familiarity | None:
    """Read the file of a model folder; None where there is none for these weights."""
    try:
        with safe_open(folder / FILE, "np") as file:
            metadata = file.metadata() or {}
            if metadata.get("weights_sha256") != weights_sha256:
                return None
            mean, whitening = file.get_tensor("mean"), file.get_tensor("whitening")
            return Familiarity(weights_sha256, mean, whitening, float(metadata["limit"]))
    except (OSError, SafetensorError):
        return None
