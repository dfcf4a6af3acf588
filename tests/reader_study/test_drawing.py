from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from reader_study.drawing import deal, most_repeats, order

STRATA = st.lists(st.sampled_from("abc"), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(STRATA, st.integers(1, 5), st.integers(0, 2**31 - 1), st.data())
def test_blocks_are_of_one_size_and_share_every_stratum(strata, blocks, seed, data):
    first = data.draw(st.integers(0, len(strata)))
    early = deal(strata[:first], blocks, (seed, 1))
    late = deal(strata[first:], blocks, (seed, 2), list(zip(strata, early, strict=False)))
    dealt = early + late
    assert set(dealt) <= set(range(1, blocks + 1))
    for stratum in set(strata):
        sizes = Counter({block: 0 for block in range(1, blocks + 1)})
        sizes.update(block for block, of in zip(dealt, strata, strict=True) if of == stratum)
        assert max(sizes.values()) - min(sizes.values()) <= 1
    assert early == deal(strata[:first], blocks, (seed, 1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(STRATA, st.integers(0, 2**31 - 1), st.data())
def test_an_order_shows_every_case_once_and_some_again_much_later(strata, seed, data):
    n = len(strata)
    repeats = data.draw(st.integers(0, most_repeats(n)))
    showings = order(strata, repeats, (seed, 1, 1, 0))
    firsts = {each.index: place for place, each in enumerate(showings) if not each.repeat}
    seconds = {each.index: place for place, each in enumerate(showings) if each.repeat}
    assert sorted(firsts) == list(range(n))
    assert len(seconds) == repeats
    assert len(showings) == n + repeats
    for index, place in seconds.items():
        assert firsts[index] < n - n // 2 <= place
    assert showings == order(strata, repeats, (seed, 1, 1, 0))


def test_repeats_are_balanced_over_the_strata():
    strata = ["rare"] * 30 + ["common"] * 30
    chosen = [strata[each.index] for each in order(strata, 10, (5, 1, 1, 0)) if each.repeat]
    assert abs(chosen.count("rare") - chosen.count("common")) <= 2
