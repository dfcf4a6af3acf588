"""The folder and manifest that ``retizero phantom`` writes."""

import csv
from collections import defaultdict

import cv2
import numpy as np
import pytest
import typer.testing

from retizero import phantom
from retizero.phantom.cli import app

LABELS = ("drusen", "cataract", "optic-atrophy")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return phantom.write_dataset(tmp_path_factory.mktemp("phantom"), 14, LABELS, seed=5, size=64)


def rows_of(manifest):
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_manifest_has_one_row_for_each_image_that_opens_at_the_asked_size(manifest):
    rows = rows_of(manifest)
    assert manifest.name == "manifest.csv"
    assert list(rows[0]) == ["image", "label", "group", "source", "split"]
    assert len({row["image"] for row in rows}) == 14
    for row in rows:
        assert cv2.imread(str(manifest.parent / row["image"])).shape == (64, 64, 3)


def test_every_row_says_that_the_image_is_synthetic(manifest):
    assert {row["source"] for row in rows_of(manifest)} == {"phantom (synthetic)"}


def test_labels_are_spread_evenly(manifest):
    counts = [sum(row["label"] == label for row in rows_of(manifest)) for label in LABELS]
    assert sum(counts) == 14
    assert max(counts) - min(counts) <= 2


def test_a_patient_has_one_label_and_one_split_and_some_have_both_eyes(manifest):
    patients = defaultdict(list)
    for row in rows_of(manifest):
        patients[row["group"]].append((row["label"], row["split"]))
    assert all(len(set(seen)) == 1 for seen in patients.values())
    assert {len(seen) for seen in patients.values()} == {1, 2}


def test_file_and_group_names_do_not_follow_the_label(manifest):
    rows = rows_of(manifest)
    assert not any(label in row["image"] + row["group"] for row in rows for label in LABELS)
    in_order = [row["label"] for row in sorted(rows, key=lambda row: row["image"])]
    assert in_order != sorted(in_order)


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    once, again = (phantom.write_dataset(tmp_path / name, 2, LABELS, seed=5, size=64) for name in ("a", "b"))
    assert again.read_bytes() == once.read_bytes()
    for row in rows_of(once):
        assert (again.parent / row["image"]).read_bytes() == (once.parent / row["image"]).read_bytes()


def test_another_seed_writes_other_images(manifest, tmp_path):
    other = phantom.write_dataset(tmp_path, 2, LABELS, seed=6, size=64)
    first = cv2.imread(str(other.parent / rows_of(other)[0]["image"]))
    for row in rows_of(manifest):
        assert not np.array_equal(first, cv2.imread(str(manifest.parent / row["image"])))


def test_the_manifest_is_read_by_the_projects_own_reader(manifest):
    data = pytest.importorskip("retizero.data")
    read = data.read_manifest(manifest)
    assert len(read.rows) == 14
    assert read.problems == ()


def test_an_unknown_label_writes_nothing(tmp_path):
    with pytest.raises(phantom.PhantomError, match="valid labels are"):
        phantom.write_dataset(tmp_path / "new", 3, ["gout"])
    assert not (tmp_path / "new").exists()


def test_fewer_than_one_image_is_refused(tmp_path):
    with pytest.raises(phantom.PhantomError, match="1 or more"):
        phantom.write_dataset(tmp_path, 0)


def test_the_command_writes_images_and_reports_progress_on_the_error_stream(tmp_path):
    options = ["--out", str(tmp_path / "set"), "--n", "2", "--label", "drusen", "--seed", "1", "--size", "64"]
    outcome = typer.testing.CliRunner().invoke(app, options)
    assert outcome.exit_code == 0
    assert outcome.stdout.strip() == str(tmp_path / "set" / "manifest.csv")
    assert "2 of 2 images" in outcome.stderr
    assert len(list((tmp_path / "set" / "images").iterdir())) == 2


def test_the_command_raises_one_sentence_for_an_unknown_label(tmp_path):
    outcome = typer.testing.CliRunner().invoke(app, ["--out", str(tmp_path), "--n", "1", "--label", "gout"])
    assert isinstance(outcome.exception, phantom.PhantomError)
    assert "gout" in str(outcome.exception)
