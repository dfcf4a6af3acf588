import pytest

from reader_study.scoring import NORMAL, UNGRADABLE, catalogue_match, hit_rank, name_or_id
from retizero.knowledge import load_catalogue


def same(answer, truth):
    return answer == truth


@pytest.mark.parametrize(
    ("ranked", "truths", "which", "rank"),
    [
        (["a", "b"], ["a"], "any", 1),
        (["b", "a"], ["a"], "any", 2),
        (["b", "c"], ["a"], "any", 0),
        ([None, "a"], ["a"], "any", 2),
        ([None], ["a"], "any", 0),
        ([], ["a"], "any", 0),
        (["b", "c", "a"], ["a", "b"], "any", 1),
        (["b", "c", "a"], ["a", "b"], "primary", 3),
        (["b", "c", "a"], ["a", "b"], "all", 3),
        (["b", "c"], ["a", "b"], "all", 0),
    ],
)
def test_the_hit_is_at_the_rank_that_a_hand_count_gives(ranked, truths, which, rank):
    assert hit_rank(ranked, truths, same, which) == rank


def test_a_case_without_truth_is_not_scored():
    with pytest.raises(ValueError, match="reference standard"):
        hit_rank(["a"], [], same)


def test_parents_and_children_match_only_where_the_protocol_says_so():
    catalogue = load_catalogue()
    child = next(disease for disease in catalogue.diseases if disease.parents)
    parent = child.parents[0]
    matches = {rule: catalogue_match(catalogue, rule) for rule in ("same", "child", "parent", "either")}
    assert [matches[rule](child.id, parent) for rule in matches] == [False, True, False, True]
    assert [matches[rule](parent, child.id) for rule in matches] == [False, False, True, True]
    assert all(
        match("free:mine", "free:mine") and not match("free:mine", parent) for match in matches.values()
    )


def test_names_resolve_exactly_or_not_at_all():
    catalogue = load_catalogue()
    assert name_or_id(catalogue, "Ungradable") == UNGRADABLE
    assert {UNGRADABLE, NORMAL} <= {disease.id for disease in catalogue.diseases}
    assert name_or_id(catalogue, "glaukomma") is None
