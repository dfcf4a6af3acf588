"""Do evidence maps show what an answer rests on? Deletion and insertion against maps that know nothing.

Petsiuk, Das & Saenko 2018: parts of a photograph are blurred away in the order of a map (deletion), or
brought back into the blurred photograph (insertion), and the probability of the explained label is
followed. A faithful map makes it fall early in deletion and rise early in insertion. The same is done
with two controls: the map's own values shuffled among the parts of the photograph that are not black, and
nearness to the centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from retizero.data import ImageReadError, Manifest, ManifestRow, read_image
from retizero.evaluation.answers import ImageRef, image_ref
from retizero.evaluation.bootstrap import GroupBootstrap, estimate_mean
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.truth import candidates_of
from retizero.knowledge import LabelSet
from retizero.serving import Engine
from retizero.serving.evidence import Method, method_for

Floats = NDArray[np.floating[Any]]
KINDS = ("deletion", "insertion")
MAPS = ("evidence", "random", "centre")
_BLUR = 0.08  # standard deviation of the blur that takes a part away, in sides of the square
_BLACK = 8  # mean grey level, of 255, up to which a cell of the map shows nothing


def evaluate_explanations(
    engine: Engine,
    manifest: Manifest,
    labels: LabelSet | None = None,
    *,
    images: int = 60,
    method: Method = "auto",
    contrast: bool = True,
    steps: int = 10,
    shuffles: int = 3,
    resamples: int = 2_000,
    seed: int = 0,
) -> dict[str, Any]:
    """Follow the probability of the model's first answer while parts of the photograph go or come back.

    Args:
        engine: The model.
        manifest: Photographs; a seeded sample of them is used.
        labels: Candidates; the labels of the manifest where None.
        images: Size of the sample.
        method: As for ``Engine.explain``.
        contrast: Explain what tells the answer apart from the other candidates, not its likeness alone.
        steps: Parts that go or come one after the other.
        shuffles: Random maps per photograph.
        resamples: Of the bootstrap over groups.
        seed: Of sample, shuffles and bootstrap.

    Returns:
        ``{"n", "deletion", "insertion", "won", "curves", "protocol", "model", "images"}``, plain values for
        JSON; ``deletion`` and ``insertion`` hold mean probabilities (areas under the curves) of the maps and
        what the evidence gains on each control, above 0 where it is better.

    Raises:
        EvaluationError: No photograph can be read, or a number cannot be used.
    """
    if images < 1 or steps < 2 or shuffles < 1:
        raise EvaluationError("An evaluation of maps needs at least 1 image, 2 steps and 1 shuffle.")
    labels = labels or candidates_of(manifest.rows)
    chosen = method_for(engine.model, method)
    random = np.random.default_rng(seed)
    order = random.permutation(len(manifest.rows))[:images]
    refs: list[ImageRef] = []
    curves: list[Floats] = []
    problems: list[str] = []
    for index in tqdm(sorted(order), desc="Explaining", unit="image", disable=None):
        row: ManifestRow = manifest.rows[index]
        try:
            square = engine.model.preprocess.resize(read_image(row.image))
        except ImageReadError as error:
            problems.append(f"Row {row.row}: {error}")
            continue
        curves.append(_curves(engine, square, labels, chosen, contrast, steps, shuffles, random))
        refs.append(image_ref(row))
    if not refs:
        raise EvaluationError("None of the manifest's images can be read.")
    every = np.stack(curves)  # (N, deletion or insertion, maps, steps + 1)
    bootstrap = GroupBootstrap([ref.group for ref in refs], resamples, seed)
    area = np.asarray(np.trapezoid(every, dx=1 / steps, axis=3))
    gain = np.stack([area[:, 0, 1:] - area[:, 0, :1], area[:, 1, :1] - area[:, 1, 1:]], axis=1)
    areas = {kind: _areas(area[:, i], gain[:, i], bootstrap) for i, kind in enumerate(KINDS)}
    mean = every.mean(axis=0)
    drawn = {kind: dict(zip(MAPS, mean[i].tolist(), strict=True)) for i, kind in enumerate(KINDS)}
    return {
        "n": len(refs),
        **areas,
        "won": {kind: estimate_mean(gain[:, i, 0] > 0, bootstrap) for i, kind in enumerate(KINDS)},
        "curves": {"share": np.linspace(0, 1, steps + 1).tolist(), **drawn},
        "protocol": {
            "task": "deletion and insertion",
            "manifest": manifest.path.name,
            "label_set": {"name": labels.name, "version": labels.version, "size": len(labels.ids)},
            "explained": "the model's first answer, its calibrated probability among the candidates",
            "method": chosen,
            "contrast": "against the mean of the candidates" if contrast else "none, likeness alone",
            "baseline": f"Gaussian blur, standard deviation {_BLUR:.0%} of the side",
            "steps": steps,
            "random": f"the map's own values shuffled among cells that are not black, {shuffles} times",
            "sample": f"{len(order)} of {len(manifest.rows)} photographs, seed {seed}",
            "intervals": bootstrap.describe(),
            "groups": bootstrap.n_groups,
            "problems": [*manifest.problems, *problems],
        },
        "model": engine.identity.to_dict(),
        "images": [
            {**ref.to_dict(), **dict(zip(KINDS, each.tolist(), strict=True))}
            for ref, each in zip(refs, area, strict=True)
        ],
    }


def _areas(area: Floats, gain: Floats, bootstrap: GroupBootstrap) -> dict[str, Any]:
    """Mean area under each map's curve, and what the evidence gains on each control."""
    measures = {name: estimate_mean(area[:, i], bootstrap) for i, name in enumerate(MAPS)}
    gains = {f"better_than_{name}": estimate_mean(gain[:, i], bootstrap) for i, name in enumerate(MAPS[1:])}
    return {**measures, **gains}


def _curves(
    engine: Engine,
    square: NDArray[np.uint8],
    labels: LabelSet,
    method: Method,
    contrast: bool,
    steps: int,
    shuffles: int,
    random: np.random.Generator,
) -> Floats:
    """Probability of the first answer, (deletion or insertion, maps, steps + 1)."""
    model = engine.model
    pixels = model.preprocess.normalise(square)
    first = int(engine.similarity(model.encode_images(pixels[None]), labels)[0].argmax())
    text = engine.label_embeddings(labels)[first]
    grid = engine.evidence(pixels, text, labels if contrast else None, method)
    seen = _seen(square, len(grid))
    maps = [grid * seen, *(shuffled(grid, seen, random) for _ in range(shuffles)), nearness(len(grid)) * seen]

    def probability(pictures: Sequence[NDArray[np.float32]]) -> Floats:
        return engine.similarity(model.encode_images(np.stack(pictures)), labels)[:, first]

    ends = (pixels, model.preprocess.normalise(_blurred(square)))
    known = probability(ends)
    lines = np.empty((2, len(maps), steps + 1))
    for place in range(2):
        start, end = ends[place], ends[1 - place]
        for number, values in enumerate(maps):
            between = probability(exchanged(start, end, values, steps)[1:-1])
            lines[place, number] = [known[place], *between, known[1 - place]]
    return np.stack([lines[:, 0], lines[:, 1:-1].mean(axis=1), lines[:, -1]], axis=1)


def exchanged(
    start: NDArray[np.float32], end: NDArray[np.float32], values: NDArray[np.float32], steps: int
) -> Sequence[NDArray[np.float32]]:
    """Pictures on the way from one to another, the pixels of greatest value first.

    Args:
        start: (3, S, S).
        end: (3, S, S).
        values: (G, G), stretched linearly over the square; ties go in a fixed order.
        steps: Number of equal parts.

    Returns:
        steps + 1 pictures, the first ``start``, the last ``end``.
    """
    side = start.shape[-1]
    stretched = cv2.resize(values, (side, side), interpolation=cv2.INTER_LINEAR)
    rank = np.empty(side * side, np.int64)
    rank[np.argsort(-stretched.ravel(), kind="stable")] = np.arange(side * side)
    share = (rank.reshape(side, side) + 0.5) / (side * side)
    return [np.where(share[None] < step / steps, end, start) for step in range(steps + 1)]


def shuffled(
    values: NDArray[np.float32], seen: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.float32]:
    """The same values in random places among the cells that are seen; 0 elsewhere."""
    mixed = np.zeros_like(values)
    mixed[seen] = random.permutation(values[seen])
    return mixed


def nearness(side: int) -> NDArray[np.float32]:
    """Nearness to the centre of a grid, (side, side) in 0..1: the guess of a map that knows no picture."""
    place = (np.arange(side) + 0.5) / side - 0.5
    across, down = np.meshgrid(place, place)
    return np.asarray(1 - np.hypot(across, down) / np.sqrt(0.5), np.float32)


def _seen(square: NDArray[np.uint8], side: int) -> NDArray[np.bool_]:
    """Cells that show more than black, (side, side); all of them where everything is black."""
    seen = cv2.resize(square.mean(axis=2), (side, side), interpolation=cv2.INTER_AREA) > _BLACK
    return np.asarray(seen if seen.any() else np.ones_like(seen))


def _blurred(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(square, (0, 0), _BLUR * len(square)), np.uint8)
