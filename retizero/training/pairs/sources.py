"""All pairs of a run, checked: what cannot be used is told, the rest trains."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from retizero.data import ImageReadError, ManifestError
from retizero.training.pairs.captions import Wording
from retizero.training.pairs.manifest_pairs import pairs_of_manifest
from retizero.training.pairs.pair import Pair, Pairs
from retizero.training.pairs.recipe import Pictures
from retizero.training.pairs.shards import pairs_of_shards


class StrictError(ValueError):
    """Something of a list cannot be used, and ``--strict`` was given."""


def read_pairs(
    data: Pictures,
    wording: Wording | None,
    manifest: Path | None,
    strict: bool,
    tell: Callable[[str], None],
) -> Pairs:
    """Read the pairs that a run learns from and validates on.

    Args:
        data: Where they are; how they are checked.
        wording: How labels are put into words; None where only the photographs are asked for.
        manifest: Instead of the one in ``data``.
        strict: Stop when anything is left out.
        tell: Receives a sentence for each row that is left out.

    Raises:
        ManifestError: Nothing is named, or a file cannot be read.
        StrictError: Something was left out and ``strict`` is set.
    """
    chosen = manifest or data.manifest
    if chosen is None and data.shards is None:
        raise ManifestError("There is nothing to train on: give --manifest, or data.shards in the recipe.")
    pairs = pairs_of_manifest(chosen, wording) if chosen else pairs_of_shards(str(data.shards), wording)
    if data.check == "decode":
        pairs = _readable(pairs)
    for problem in pairs.problems:
        tell(problem)
    if pairs.problems:
        tell(f"{len(pairs.problems)} of {pairs.where} left out, {len(pairs.pairs)} pairs are used.")
    if pairs.worded:
        tell(f"{pairs.worded} rows have no caption; their labels are put into words.")
    if strict and pairs.problems:
        raise StrictError(
            f"{pairs.where} has {len(pairs.problems)} entries that cannot be used, told above; correct them, "
            "or train on the rest without --strict."
        )
    return pairs


def unreadable(pictures: Sequence[Pair]) -> list[str | None]:
    """Return for every pair what is wrong with its photograph, or None."""

    def problem(pair: Pair) -> str | None:
        try:
            pair.picture.read()
        except ImageReadError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        told = tqdm(pool.map(problem, pictures), "photographs", len(pictures), mininterval=5, leave=False)
        return list(told)


def _readable(pairs: Pairs) -> Pairs:
    found = unreadable(pairs.pairs)
    kept = tuple(pair for pair, problem in zip(pairs.pairs, found, strict=True) if problem is None)
    told = [f"{pair.place}: {problem}" for pair, problem in zip(pairs.pairs, found, strict=True) if problem]
    return replace(pairs, pairs=kept, problems=(*pairs.problems, *told))
