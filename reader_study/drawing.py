"""Seeded draws, pure: cases dealt into blocks, and the order in which one reader meets the cases.

Every draw is numpy's ``default_rng`` of integers that are stored (study seed, reader's ordinal, period,
number of cases placed before), so that anybody can draw again what was drawn.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

PROCEDURE = "numpy default_rng, stratified, version 2"


@dataclass(frozen=True)
class Showing:
    """One place of an order: ``index`` of the case; ``repeat`` is 1 where it is shown again."""

    index: int
    repeat: int = 0


def deal(
    strata: Sequence[Hashable],
    blocks: int,
    seed: Sequence[int],
    dealt: Sequence[tuple[Hashable, int]] = (),
) -> list[int]:
    """The block, from 1, of each case: every stratum is spread evenly, then the blocks are kept of one size.

    Args:
        strata: what each new case must be balanced for.
        blocks: how many there are.
        seed: of the draw.
        dealt: stratum and block of the cases that have one already; those never move.
    """
    rng = np.random.default_rng(list(seed))
    in_stratum = Counter(dealt)
    in_block = Counter(block for _, block in dealt)
    found = [0] * len(strata)
    for index in rng.permutation(len(strata)):
        stratum = strata[index]
        load = {block: (in_stratum[stratum, block], in_block[block]) for block in range(1, blocks + 1)}
        lightest = [block for block, weight in load.items() if weight == min(load.values())]
        block = lightest[int(rng.integers(len(lightest)))]
        found[index] = block
        in_stratum[stratum, block] += 1
        in_block[block] += 1
    return found


def most_repeats(cases: int) -> int:
    """How many of a reader's cases can be shown again, far enough from their first showing."""
    return cases // 2


def order(strata: Sequence[Hashable], repeats: int, seed: Sequence[int]) -> list[Showing]:
    """A permutation of the cases, with ``repeats`` of the early ones shown again in the later half.

    The repeated cases come from the first third (or as far as they reach), balanced over the strata; their
    second showings are mixed into the second half, in the order of the first.
    """
    rng = np.random.default_rng(list(seed))
    n = len(strata)
    drawn = [int(index) for index in rng.permutation(n)]
    if not repeats:
        return [Showing(index) for index in drawn]
    early = drawn[: max(-(-n // 3), repeats)]
    again = set(_balanced([strata[index] for index in early], repeats, rng))
    half = n - n // 2
    slots = set(rng.choice(n - half + repeats, repeats, replace=False).tolist())
    seconds = iter([Showing(index, 1) for place, index in enumerate(early) if place in again])
    firsts = iter(Showing(index) for index in drawn[half:])
    late = [next(seconds) if slot in slots else next(firsts) for slot in range(n - half + repeats)]
    return [Showing(index) for index in drawn[:half]] + late


def _balanced(strata: Sequence[Hashable], number: int, rng: np.random.Generator) -> list[int]:
    """Places drawn so that every stratum gives about the same share of its cases."""
    size, taken = Counter(strata), Counter[Hashable]()
    left = [int(place) for place in rng.permutation(len(strata))]
    chosen = []
    for _ in range(number):
        place = min(left, key=lambda place: (taken[strata[place]] + 1) / size[strata[place]])
        left.remove(place)
        taken[strata[place]] += 1
        chosen.append(place)
    return chosen
