"""How far a photograph's embedding lies from those that the model was made with.

Fitted by ``retizero train familiarity`` and stored beside the weights it belongs to; other weights ignore it.
The distance is Mahalanobis' (Lee et al. 2018), scaled so that 99 % of validation photographs lie below 1. To
that is added how much the embedding is like those of other pictures: the loss of a logistic regression
between photographs and pictures that are none (outlier exposure; Hendrycks et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

FILE = "familiarity.safetensors"
_USUAL = 0.99  # share of validation photographs with a distance below 1
_SHRINKAGE = 0.003  # of the mean variance, added to the covariance's diagonal
_OTHERS_WEIGHT = 0.2  # of the regression's loss beside the scaled distance


@dataclass(frozen=True)
class Familiarity:
    """What the embeddings of one model's photographs look like.

    Attributes:
        weights_sha256: The weights that made the embeddings.
        mean: (D,) float32.
        whitening: (D, D) float32; ``|(x - mean) @ whitening|^2`` is the scaled distance.
        others: (D + 1,) float32; ``x @ others[:-1] + others[-1]`` is the log odds that x is no photograph's.
        limit: Largest sum of this distance and the appearance's (``Look.oddness``) that still gets an answer.
    """

    weights_sha256: str
    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    others: NDArray[np.float32]
    limit: float

    def distances(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scaled squared distances plus the weighted likeness to other pictures, (N,) of (N, D)."""
        apart = (embeddings - self.mean) @ self.whitening
        log_odds = (embeddings @ self.others[:-1] + self.others[-1]).astype(np.float64)
        squared = (apart.astype(np.float64) ** 2).sum(axis=1)
        return np.asarray(squared + _OTHERS_WEIGHT * np.logaddexp(0, log_odds))

    def save(self, folder: Path) -> None:
        """Write the file into a model folder."""
        metadata = {"weights_sha256": self.weights_sha256, "limit": f"{self.limit:.6g}"}
        tensors = {"mean": self.mean, "whitening": self.whitening, "others": self.others}
        save_file(tensors, folder / FILE, metadata)
        (folder / FILE).chmod(0o644)  # safetensors writes files that only their owner can read


def fit_familiarity(
    weights_sha256: str,
    known: NDArray[np.float32],
    others: NDArray[np.float32],
    held_out: NDArray[np.float32],
    oddness: NDArray[np.float64],
    accepted: float,
) -> Familiarity:
    """Fit on embeddings of photographs that the model knows, of other pictures, and of held-out photographs.

    Args:
        weights_sha256: The weights that made the embeddings.
        known: (N, D).
        others: (K, D) of pictures that are no photographs.
        held_out: (M, D), they decide scale and limit.
        oddness: (M,) of the held-out photographs' appearance.
        accepted: Share of held-out photographs below the limit.
    """
    from sklearn.linear_model import LogisticRegression

    mean = known.mean(axis=0, dtype=np.float64)
    covariance = np.cov((known - mean).T)
    covariance += _SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(values)
    unit = float(np.quantile((((held_out - mean) @ whitening) ** 2).sum(axis=1), _USUAL))
    regression = LogisticRegression(C=100, class_weight="balanced", max_iter=5000)
    regression.fit(np.concatenate([known, others]), np.repeat([0, 1], [len(known), len(others)]))
    fitted = Familiarity(
        weights_sha256,
        mean.astype(np.float32),
        (whitening / np.sqrt(unit)).astype(np.float32),
        np.append(regression.coef_[0], regression.intercept_).astype(np.float32),
        0.0,
    )
    return replace(fitted, limit=float(np.quantile(fitted.distances(held_out) + oddness, accepted)))


def read_familiarity(folder: Path, weights_sha256: str) -> Familiarity | None:
    """Read the file of a model folder; None where there is none for these weights."""
    try:
        with safe_open(folder / FILE, "np") as file:
            metadata = file.metadata() or {}
            if metadata.get("weights_sha256") != weights_sha256:
                return None
            tensors = {name: file.get_tensor(name) for name in ("mean", "whitening", "others")}
            return Familiarity(weights_sha256, **tensors, limit=float(metadata["limit"]))
    except (OSError, SafetensorError):
        return None
