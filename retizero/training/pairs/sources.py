"""All pairs of a run, checked: what cannot be used is told, the rest trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from retizero.data import ManifestError
from retizero.training.pairs.captions import Wording
from retizero.training.pairs.manifest_pairs import pairs_of_manifest
from retizero.training.pairs.pair import Pair, Pairs
from retizero.training.pairs.recipe import Pictures
from retizero.training.pairs.shards import pairs_of_shards
from retizero.training.row_problems import tell_problems, unreadable


def read_pairs(
    data: Pictures,
    wording: Wording | None,
    manifest: Path | None,
    strict: bool,
    tell: Callable[[str], None],
    validation: str = "val",
) -> Pairs:
    """Read the pairs that a run learns from and validates on.

    Args:
        data: Where they are; how they are checked.
        wording: How labels are put into words; None where only the photographs are asked for.
        manifest: Instead of the one in ``data``.
        strict: Stop when anything is left out.
        tell: Receives a sentence for each row that is left out.
        validation: Split whose photographs are opened in any case.

    Raises:
        ManifestError: Nothing is named, a file cannot be read, or ``strict`` is set and a row is left out.
    """
    chosen = manifest or data.manifest
    if chosen is None and data.shards is None:
        raise ManifestError("There is nothing to train on: give --manifest, or data.shards in the recipe.")
    pairs = pairs_of_manifest(chosen, wording) if chosen else pairs_of_shards(str(data.shards), wording)
    every = strict or data.check == "decode"
    pairs = _readable(pairs, pairs.pairs if every else pairs.of(validation))
    tell_problems(pairs.problems, strict, tell)
    if pairs.problems:
        tell(f"{len(pairs.problems)} of {pairs.where} left out, {len(pairs.pairs)} pairs are used.")
    if pairs.worded:
        tell(f"{pairs.worded} rows have no caption; their labels are put into words.")
    return pairs


def _readable(pairs: Pairs, opened: Sequence[Pair]) -> Pairs:
    """Leave out those of ``opened`` whose photograph cannot be read."""
    found = zip(opened, unreadable([pair.picture for pair in opened]), strict=True)
    bad = {pair.place: f"{pair.place}: {problem}" for pair, problem in found if problem}
    kept = tuple(pair for pair in pairs.pairs if pair.place not in bad)
    return replace(pairs, pairs=kept, problems=(*pairs.problems, *bad.values()))
