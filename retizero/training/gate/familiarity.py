"""Measure which embeddings a model's own photographs have, for the gate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from retizero import phantom
from retizero.data import read_image, read_manifest
from retizero.model import load_model
from retizero.model.errors import ModelError
from retizero.serving import Engine
from retizero.serving.familiarity import Familiarity, fit_familiarity
from retizero.serving.gate import look_at
from retizero.training.gate.counterexamples import counterexamples
from retizero.training.gate.reference import borderless

ACCEPTED = 0.988  # of validation photographs; leaves room below the 2 % that may be refused
_EVERY = 4  # one in so many training photographs
_PHANTOMS = 8  # of each label; the demo must answer its own examples


def fit_model_familiarity(model: str, manifest: Path, seed: int = 0) -> Path:
    """Fit on training photographs, crops of half of them, and phantoms, against pictures that are none.

    Validation photographs decide the scale and the limit.

    Args:
        model: Id or folder of a model on this machine; the file is written beside its weights.
        manifest: Photographs with the splits ``train`` and ``val``.
        seed: Seeds the crops and the other pictures.

    Returns:
        The model's folder.

    Raises:
        ModelError: The model has no folder of its own to write into.
        ValueError: The manifest or a photograph cannot be used.
    """
    encoder = load_model(model)
    if encoder.folder is None:
        raise ModelError(
            f"{model} is a single file; make a folder of it with `retizero models convert` first."
        )
    engine, rng, rows = Engine(encoder), np.random.default_rng(seed), read_manifest(manifest)
    known = []
    for number, row in enumerate(tqdm(rows.where("train").rows[::_EVERY], desc="known", mininterval=10)):
        image = read_image(row.image)
        known.append(engine.embed_image([image]))
        if number % 2:
            known.append(engine.embed_image([borderless(image, rng.uniform(0.6, 0.97))]))
    drawn = [phantom.render(label, n, size=384) for label in phantom.LABELS for n in range(_PHANTOMS)]
    known.append(engine.embed_image(drawn))
    pictures = counterexamples(seed)
    others = [engine.embed_image([each]) for each in tqdm(pictures, desc="other pictures", mininterval=10)]
    held_out, oddness = [], []
    for row in tqdm(rows.where("val").rows, desc="held out", mininterval=10):
        image = read_image(row.image)
        held_out.append(engine.embed_image([image]))
        oddness.append(look_at(image).oddness)
    fitted: Familiarity = fit_familiarity(
        engine.identity.weights_sha256,
        np.concatenate(known),
        np.concatenate(others),
        np.concatenate(held_out),
        np.array(oddness),
        ACCEPTED,
    )
    fitted.save(encoder.folder)
    return encoder.folder
