import pytest

from reader_study.answers import Answer, check_answer
from reader_study.errors import ConductError
from reader_study.scoring import UNGRADABLE
from retizero.knowledge import label_set, load_catalogue


def check(answer, *, k=3, confidence_levels=5, free_text=True):
    return check_answer(
        answer,
        k=k,
        confidence_levels=confidence_levels,
        free_text=free_text,
        catalogue=load_catalogue(),
        labels=label_set("demo14"),
    )


@pytest.mark.parametrize(
    ("ranks", "confidence", "comment", "sentence"),
    [
        ((), 3, "", "between 1 and 3"),
        (("glaucoma", "drusen", "coats-disease", "normal-fundus"), 3, "", "between 1 and 3"),
        (("glaucoma", "glaucoma"), 3, "", "Rank 2 repeats"),
        (("central-retinal-vein-occlusion", "CRVO"), 3, "", "Rank 2 repeats"),
        (("what is this", "What Is This"), 3, "", "Rank 2 repeats"),
        (("",), 3, "", "rank is empty"),
        (("   ",), 3, "", "rank is empty"),
        (("x" * 201,), 3, "", "more than 200"),
        (("x" * 1_000_000,), 3, "", "more than 200"),
        (("glau\x00coma",), 3, "", "control character"),
        (("glau\ncoma",), 3, "", "control character"),
        (("\u202eamocualg",), 3, "", "control character"),
        (("\ud800",), 3, "", "control character"),
        ((None,), 3, "", "must be text"),
        ((7,), 3, "", "must be text"),
        ((["glaucoma"],), 3, "", "must be text"),
        ("glaucoma", 3, "", "could not be read"),
        ({"glaucoma": 1}, 3, "", "could not be read"),
        (("ungradable", "glaucoma"), 3, "", "alone"),
        (("glaucoma",), 0, "", "whole number from 1 to 5"),
        (("glaucoma",), 6, "", "whole number from 1 to 5"),
        (("glaucoma",), 99, "", "whole number from 1 to 5"),
        (("glaucoma",), 3.0, "", "whole number from 1 to 5"),
        (("glaucoma",), float("nan"), "", "whole number from 1 to 5"),
        (("glaucoma",), True, "", "whole number from 1 to 5"),
        (("glaucoma",), "3", "", "whole number from 1 to 5"),
        (("glaucoma",), None, "", "whole number from 1 to 5"),
        (("glaucoma",), 3, "x" * 2001, "more than 2000"),
        (("glaucoma",), 3, "a\x1bb", "control character"),
        (("glaucoma",), 3, None, "must be text"),
    ],
)
def test_a_bad_answer_is_refused_with_what_to_change(ranks, confidence, comment, sentence):
    with pytest.raises(ConductError, match=sentence) as refusal:
        check(Answer(ranks, confidence, comment))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("answer", [None, {}, "glaucoma", 3, ("glaucoma", 3)])
def test_what_is_no_answer_is_refused(answer):
    with pytest.raises(ConductError, match="could not be read"):
        check(answer)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("glaucoma", "glaucoma"),
        ("CRVO", "central-retinal-vein-occlusion"),
        ("normal-fundus", "normal-fundus"),
        ("ungradable", UNGRADABLE),
        ("something nobody knows", None),
        ("眼底病 unbekannt 🙂", None),
        ("<script>alert(1)</script>", None),
        ("=HYPERLINK(1)", None),
    ],
)
def test_a_rank_is_an_entry_of_the_catalogue_or_free_text(typed, meant):
    (entry,) = check(Answer((typed,), 3)).entries
    assert (entry.diagnosis, entry.text) == (meant, typed)


def test_a_misspelt_name_is_kept_as_typed_and_not_guessed():
    (entry,) = check(Answer(("glaukomma",), 3)).entries
    assert entry.diagnosis is None


def test_without_free_text_only_the_catalogue_is_taken():
    with pytest.raises(ConductError, match="from the list only"):
        check(Answer(("something nobody knows",), 3), free_text=False)
    assert check(Answer(("glaucoma",), 3), free_text=False).entries


def test_a_comment_keeps_its_lines():
    assert check(Answer(("glaucoma",), 3, " one\ntwo ")).comment == "one\ntwo"
