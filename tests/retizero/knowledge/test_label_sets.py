from pathlib import Path

import pytest

from retizero.knowledge import (
    LabelError,
    UnknownLabelSet,
    label_set,
    label_sets,
    load_catalogue,
    nested_pairs,
    parse_labels,
)


def test_the_named_sets_have_the_sizes_in_their_names():
    sizes = {name: len(label_set(name)) for name in label_sets()}
    assert sizes.pop("all") == len(load_catalogue())
    assert sizes == {
        "demo14": 14, "common15": 15, "broad52": 52, "jsiec39": 39, "odir8": 8, "dr5": 5, "fundus42": 42,
    }  # fmt: skip


def test_the_release_labels_keep_their_order_and_wording():
    demo = label_set("demo14")
    assert demo.names[0] == "normal"
    assert demo.names[3] == "non-proliferative diabetic retinopathy"
    assert demo.ids[-1] == "age-related-macular-degeneration"


@pytest.mark.parametrize("name", ["demo14", "common15", "broad52", "odir8", "dr5"])
def test_sets_that_are_not_nested_hold_no_entry_beside_its_parent(name):
    chosen = label_set(name)
    assert not chosen.nested
    assert nested_pairs(chosen.ids, load_catalogue()) == ()


def test_an_unknown_set_is_refused_with_the_names_there_are():
    with pytest.raises(UnknownLabelSet, match="demo14, common15"):
        label_set("demo15")


def test_labels_in_a_text_are_resolved_and_keep_their_wording():
    chosen = parse_labels("CRVO; 黄斑裂孔 ; purple fundus")
    assert chosen.ids == ("central-retinal-vein-occlusion", "macular-hole", "free:purple fundus")
    assert chosen.names == ("CRVO", "黄斑裂孔", "purple fundus")


def test_labels_in_a_file_are_read_one_a_line(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\ufeffglaucoma  # a comment\n\nmacular hole\n", encoding="utf-8")
    assert parse_labels(path).ids == ("glaucoma", "macular-hole")
    assert parse_labels(str(path)).name == "file:labels.txt"


def test_the_version_of_a_users_set_follows_its_content():
    assert parse_labels("glaucoma; cataract").version == parse_labels("glaucoma;cataract").version
    assert parse_labels("glaucoma; cataract").version != parse_labels("cataract; glaucoma").version


def test_a_users_set_says_when_it_is_nested():
    assert parse_labels("PDR; diabetic retinopathy").nested
    assert not parse_labels("PDR; NPDR").nested


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "empty"),
        (" ; ;", "empty"),
        ("CRVO; central retinal vein occlusion", "mean the same"),
        ("purple; Purple", "mean the same"),
        ("glaucoma; a\x00b", "unprintable"),
        ("glaucoma; " + "y" * 300, "too long"),
        (Path("no/such/labels.txt"), "does not exist"),
        ("labels.txt", "does not exist"),
        (";".join(f"label {n}" for n in range(5001)), "5001 labels"),
    ],
)
def test_unusable_labels_are_refused_in_words(spec, message):
    with pytest.raises(LabelError, match=message):
        parse_labels(spec)


def test_a_file_that_is_not_text_is_refused_in_words(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(LabelError, match="UTF-8"):
        parse_labels(path)
