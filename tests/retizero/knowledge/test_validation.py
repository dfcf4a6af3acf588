import shutil

import pytest
import yaml

from retizero.knowledge.entries import DISEASES, SIGNS
from retizero.knowledge.label_sets import LABEL_SETS
from retizero.knowledge.validation import problems

GOOD = {
    "id": "left-disease",
    "name": "left disease",
    "name_zh": "左病",
    "group": "test",
    "synonyms": ["sinister disease"],
    "abbreviations": ["LD"],
    "synonyms_zh": [],
    "parents": [],
    "icd10": ["H35.9"],
    "rarity": "rare",
    "laterality": "either",
    "signs": ["microaneurysm"],
    "descriptions": [f"a sufficiently long description of something seen number {n}" for n in range(3)],
    "look_alikes": [{"id": "right-disease", "difference": "it lies on the right side"}],
    "note": "A made-up entry.",
    "reviewed": False,
}
OTHER = {
    **GOOD,
    "id": "right-disease",
    "name": "right disease",
    "name_zh": "右病",
    "synonyms": ["dexter disease"],
    "descriptions": [f"another sufficiently long description of something number {n}" for n in range(3)],
    "look_alikes": [{"id": "left-disease", "difference": "it lies on the left side"}],
}


@pytest.fixture
def check(tmp_path):
    def run(changes, other=None, label_set=None):
        diseases = tmp_path / "diseases"
        shutil.rmtree(diseases, ignore_errors=True)
        diseases.mkdir()
        entries = [{**GOOD, **changes}, {**OTHER, **(other or {})}]
        (diseases / "test.yaml").write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf-8")
        sets = tmp_path / "label_sets.yaml"
        sets.write_text(yaml.safe_dump({"one": label_set} if label_set else {}), encoding="utf-8")
        return problems(diseases, SIGNS, sets, tmp_path / "reviews.yaml")

    return run


def test_the_packaged_catalogue_has_no_problem():
    pytest.importorskip("simple_icd_10_cm")
    assert problems(DISEASES, SIGNS, LABEL_SETS) == []


def test_a_right_catalogue_has_no_problem(check):
    assert check({}) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name_zh": "left"}, "must be the Chinese name"),
        ({"rarity": "unheard of"}, "rarity must be one of common, uncommon, rare"),
        ({"laterality": "both"}, "laterality must be one of"),
        ({"colour": "red"}, "field colour is unknown"),
        ({"synonyms": "one"}, "synonyms must be a list"),
        ({"synonyms": [False]}, "texts only"),
        ({"reviewed": "yes"}, "reviewed must be false"),
        ({"id": "Left Disease"}, "lower-case words joined by hyphens"),
        ({"look_alikes": [{"id": "right-disease"}]}, "each look-alike must be"),
        ({"synonyms": ["dexter diseases"]}, "is the same term as"),
        ({"synonyms": ["haemorrhage of left", "hemorrhage of left"]}, "of itself"),
        ({"parents": ["nobody"]}, "parent nobody is no entry"),
        ({"parents": ["left-disease"]}, "its own ancestor"),
        ({"look_alikes": []}, "does not name this entry in return"),
        ({"look_alikes": [{"id": "ghost", "difference": "it is not there"}]}, "look-alike ghost is no entry"),
        ({"descriptions": GOOD["descriptions"][:2]}, "2 descriptions, 3 are needed"),
        ({"descriptions": [*GOOD["descriptions"][:2], GOOD["descriptions"][0]]}, "is also in"),
        ({"descriptions": [*GOOD["descriptions"][:2], "a" * 300]}, "has 300 signs"),
        (
            {"descriptions": [*GOOD["descriptions"][:2], "a text that is long enough to pass here."]},
            "full stop",
        ),
        ({"signs": ["martian-spot"]}, "sign martian-spot is not in signs.yaml"),
        ({"signs": []}, "no signs are linked"),
        ({"reviewed": True}, "reviewed is true without a sign-off"),
    ],
)
def test_each_problem_is_named_with_its_entry(check, changes, said):
    found = check(changes)
    assert any(said in text for text in found), found
    assert all(text.startswith("test/") for text in found)


def test_a_code_that_does_not_exist_is_a_problem(check):
    pytest.importorskip("simple_icd_10_cm")
    assert check({"icd10": ["H99.99"]}) == ["test/left-disease: H99.99 is no ICD-10-CM code"]


def test_a_circle_of_parents_is_a_problem(check):
    found = check({"parents": ["right-disease"]}, {"parents": ["left-disease"]})
    assert sum("own ancestor" in text for text in found) == 2


def test_a_label_set_with_a_parent_beside_its_child_must_say_so(check):
    labels = {
        "version": "1",
        "title": "t",
        "title_zh": "t",
        "nested": False,
        "labels": ["left-disease", "right-disease"],
    }
    assert check({"parents": ["right-disease"]}, label_set=labels) == [
        "label_sets.yaml/one: left-disease and its parent right-disease are both in it; "
        "take one or set nested: true"
    ]
    assert check({"parents": ["right-disease"]}, label_set={**labels, "nested": True}) == []


def test_a_file_that_is_not_yaml_is_named_with_its_line(tmp_path):
    (tmp_path / "bad.yaml").write_text("- id: a\n  name: [unclosed\n", encoding="utf-8")
    (text,) = problems(tmp_path, SIGNS, LABEL_SETS)
    assert "bad.yaml is not valid YAML at line" in text
