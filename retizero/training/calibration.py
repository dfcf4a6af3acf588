"""Fit temperature and conformal threshold on validation photographs; write them into a model's identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retizero.data import ManifestRow, read_image
from retizero.knowledge import LabelSet
from retizero.model.identity import ModelIdentity
from retizero.model.open_clip_folder import IDENTITY
from retizero.serving import Engine
from retizero.serving.confidence import conformal_threshold, fit_temperature, softmax

COVERAGE = 0.9
_CHUNK = 32


def embed_rows(engine: Engine, rows: Sequence[ManifestRow]) -> NDArray[np.float32]:
    """Embed the photographs of a manifest as they are served, (N, D) float32, unit norm."""
    parts = []
    for start in range(0, len(rows), _CHUNK):
        parts.append(engine.embed_image([read_image(row.image) for row in rows[start : start + _CHUNK]]))
    return np.concatenate(parts)


def calibrate(
    folder: Path, rows: Sequence[ManifestRow], primary: NDArray[np.int64], labels: LabelSet, split: str
) -> ModelIdentity:
    """Calibrate the model in a folder and rewrite its ``identity.json``.

    Args:
        folder: A model folder.
        rows: Held-out photographs.
        primary: (N,) index of each row's label in ``labels``.
        labels: The candidate list the calibration belongs to.
        split: What the rows are, in a word.
    """
    engine = Engine.load(str(folder), device="cpu")
    return calibrate_embeddings(folder, engine, embed_rows(engine, rows), primary, labels, split)


def calibrate_embeddings(
    folder: Path,
    engine: Engine,
    embeddings: NDArray[np.float32],
    primary: NDArray[np.int64],
    labels: LabelSet,
    split: str,
) -> ModelIdentity:
    """Calibrate the model in a folder, loaded as ``engine``, on embeddings (N, D) of held-out photographs."""
    logits = engine.logits(embeddings, labels)
    identity = replace(
        calibrated(engine.identity, logits, primary, labels.ids, split),
        label_set_version=f"{labels.name}@{labels.version}",
    )
    (folder / IDENTITY).write_text(identity.to_json(), encoding="utf-8")
    return identity


def calibrated(
    identity: ModelIdentity,
    logits: NDArray[np.float64],
    primary: NDArray[np.int64],
    candidates: Sequence[str],
    split: str,
) -> ModelIdentity:
    """Identity with temperature and conformal threshold, fitted on logits (N, K) and true columns (N,)."""
    temperature = fit_temperature(logits, primary)
    # Too few photographs promise nothing unless every label belongs: all scores are at most 1.
    threshold = min(1.0, conformal_threshold(softmax(logits, temperature), primary, COVERAGE))
    return replace(
        identity,
        temperature=temperature,
        conformal={
            "method": "split conformal, score 1 - p(true label), most probable label always included",
            "coverage": COVERAGE,
            "threshold": threshold,
            "n": len(logits),
            "split": split,
            "candidates": list(candidates),
        },
    )
