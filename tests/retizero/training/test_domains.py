"""Dividing a manifest into what is trained on, what chooses, and what is tested on."""

import csv

import numpy as np
import pytest
from PIL import Image

from retizero.data import ManifestError, read_manifest
from retizero.training.config import ConfigError
from retizero.training.domains import Domain, divide
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
        divide(manifest(), Domain(train_splits=("fit",)))


def test_a_photograph_listed_twice_counts_once_and_is_told(manifest):
    found = without_repeats(manifest([*ROWS, ROWS[0]]))
    assert len(found.rows) == len(ROWS)
    assert found.problems == ("Row 10: a1.png is listed before, in row 2.",)
    told = []
    tell_problems(found.problems, False, told.append)
    assert told == list(found.problems)
    with pytest.raises(ManifestError, match="1 rows cannot be used"):
        tell_problems(found.problems, True, told.append)
