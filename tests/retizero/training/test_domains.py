"""Dividing a manifest into what is trained on, what chooses, and what is tested on."""

import csv

import numpy as np
import pytest
from PIL import Image

from retizero.data import ManifestError, read_manifest
from retizero.training.domains import Domain, divide, notes
from retizero.training.errors import ConfigError
from retizero.training.row_problems import tell_problems, without_repeats

ROWS = [
    ("a1", "drusen", "p1", "train", "A"),
    ("a2", "glaucoma", "p2", "train", "A"),
    ("a3", "drusen", "p3", "val", "A"),
    ("a4", "glaucoma", "p4", "test", "A"),
    ("b1", "drusen", "p5", "train", "B"),
    ("b2", "macular hole", "p6", "train", "B"),
    ("b3", "glaucoma", "p7", "test", "B"),
    ("b4", "macular hole", "p8", "test", "B"),
]


@pytest.fixture
def manifest(tmp_path):
    def write(rows=ROWS):
        with (tmp_path / "m.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["image", "label", "group", "split", "source"])
            for name, *rest in rows:
                Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / f"{name}.png")
                out.writerow([f"{name}.png", *rest])
        return read_manifest(tmp_path / "m.csv")

    return write


def names(part):
    return [row.image.stem for row in part.rows]


def test_within_all_sources_every_row_is_used_by_its_split(manifest):
    found = divide(manifest(), Domain())
    assert found.labels.ids == ("drusen", "glaucoma", "macular-hole")
    assert names(found.train) == ["a1", "a2", "b1", "b2"]
    assert names(found.val) == ["a3"]
    assert names(found.test) == ["a4", "b3", "b4"]
    assert found.test.primary.tolist() == [1, 1, 2]


def test_across_sources_the_test_rows_without_a_trained_label_are_left_out_and_told(manifest):
    found = divide(manifest(), Domain(name="A to B", train_sources=("A",), test_sources=("B",)))
    assert found.labels.ids == ("drusen", "glaucoma")
    assert names(found.test) == ["b3"]
    assert len(found.test.left_out) == 1
    assert "macular hole" in found.test.left_out[0]


def test_asked_labels_without_a_training_photograph_are_no_candidates(manifest):
    found = divide(manifest(), Domain(labels="macular hole; drusen; retinal detachment"))
    assert found.labels.ids == ("macular-hole", "drusen")
    assert "2 of 3" in found.labels.name
    assert names(found.train) == ["a1", "b1", "b2"]


def test_free_labels_are_candidates_too(manifest):
    rows = [(n, {"drusen": "odd spots"}.get(label, label), *rest) for n, label, *rest in ROWS]
    assert divide(manifest(rows), Domain()).labels.ids[0] == "free:odd spots"


def test_a_patient_on_both_sides_is_refused(manifest):
    rows = [(n, label, "p1" if n == "b3" else group, *rest) for n, label, group, *rest in ROWS]
    with pytest.raises(ConfigError, match="'p1', stand in both train and test"):
        divide(manifest(rows), Domain())


def test_an_unknown_source_is_named_with_the_known_ones(manifest):
    with pytest.raises(ConfigError, match=r"no source 'C'.*sources are A, B"):
        divide(manifest(), Domain(test_sources=("C",)))


def test_one_label_alone_cannot_be_trained(manifest):
    with pytest.raises(ConfigError, match="fewer than two"):
        divide(manifest([row for row in ROWS if row[1] == "drusen"]), Domain())


def test_no_rows_to_train_on_are_refused(manifest):
    with pytest.raises(ConfigError, match="no rows to train on"):
        divide(manifest([row for row in ROWS if row[3] != "train"]), Domain())


@pytest.mark.parametrize("side", ["train_splits", "val_splits", "test_splits"])
def test_a_misspelt_split_is_named_with_the_known_ones(manifest, side):
    with pytest.raises(
        ConfigError, match=r"within: there is no split 'tset' in m.csv; splits are test, train"
    ):
        divide(manifest(), Domain(name="within", **{side: ("tset",)}))


def test_no_rows_to_test_on_are_refused_with_their_domain_unless_no_test_is_asked_for(manifest):
    without = manifest([row for row in ROWS if row[3] != "test"])
    with pytest.raises(ConfigError, match=r"all sources: m.csv has no rows to test on with the split test"):
        divide(without, Domain())
    assert not divide(without, Domain(), tested=False).test.rows
    with pytest.raises(ConfigError, match=r"A to B: m.csv has no rows to test on of B"):
        divide(without, Domain(name="A to B", train_sources=("A",), test_sources=("B",)), tested=False)


def test_test_rows_of_which_no_label_was_trained_are_refused_with_an_example(manifest):
    rows = [(n, "macular hole" if split == "test" else label, g, split, s) for n, label, g, split, s in ROWS]
    only = [row for row in rows if row[1] != "macular hole" or row[3] == "test"]
    with pytest.raises(ConfigError, match=r"none of the 3 rows to test on.*row 5, is macular hole"):
        divide(manifest(only), Domain(), tested=False)


def test_rows_left_out_and_labels_that_the_catalogue_does_not_know_are_told(manifest):
    rows = [(n, "zorgblatt" if n == "b3" else label, *rest) for n, label, *rest in ROWS]
    domain = Domain(name="some", labels="drusen; glaucoma; drusne of zorg")
    told = notes([(domain, divide(manifest(rows), domain))])
    assert [line.partition(" no label")[0] for line in told[:-1]] == [
        "some: 1 of 4 rows to train on have",
        "some: 2 of 3 rows to test on have",
    ]
    assert "Row 7: macular hole" in told[0]
    assert "does not know 'drusne of zorg', 'zorgblatt'" in told[-1]


def test_nothing_is_told_where_nothing_is_left_out(manifest):
    assert notes([(Domain(), divide(manifest(), Domain()))]) == []
    rows = [(n, {"drusen": "odd spots"}.get(label, label), *rest) for n, label, *rest in ROWS]
    asked = Domain(labels="odd spots; glaucoma; macular hole")
    assert notes([(asked, divide(manifest(rows), asked))]) == []


def test_a_photograph_listed_twice_counts_once_and_is_told(manifest):
    found = without_repeats(manifest([*ROWS, ROWS[0]]))
    assert len(found.rows) == len(ROWS)
    assert found.problems == ("Row 10: a1.png is listed before, in row 2.",)
    told = []
    tell_problems(found.problems, False, told.append)
    assert told == list(found.problems)
    with pytest.raises(ManifestError, match="1 rows cannot be used"):
        tell_problems(found.problems, True, told.append)
