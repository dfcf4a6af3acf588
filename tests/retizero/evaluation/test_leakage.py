"""Photographs that both manifests show are found after what happens to photographs; others are left alone."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from retizero.data import read_manifest
from retizero.evaluation import find_leakage
from retizero.phantom import LABELS, render

EYES = 24


@pytest.fixture(scope="module")
def photographs():
    return [Image.fromarray(render(LABELS[0], seed, 512)) for seed in range(EYES)]


def write(folder, pictures, groups):
    folder.mkdir()
    for name, picture in pictures.items():
        picture.save(folder / name)
    lines = [f"{name},normal fundus,{group}" for name, group in zip(pictures, groups, strict=True)]
    (folder / "m.csv").write_text("\n".join(["image,label,group", *lines]))
    return read_manifest(folder / "m.csv")


def test_different_eyes_are_not_reported(tmp_path, photographs):
    half = EYES // 2
    train = write(tmp_path / "a", {f"{n}.png": photographs[n] for n in range(half)}, range(half))
    test = write(tmp_path / "b", {f"{n}.png": photographs[n] for n in range(half, EYES)}, range(half, EYES))
    found = find_leakage(train, test)
    assert found["pairs"] == found["groups_in_both"] == []


def test_copies_are_found_after_recompression_resizing_and_another_exposure(tmp_path, photographs):
    train = write(tmp_path / "a", {f"{n}.png": photographs[n] for n in range(EYES)}, range(EYES))
    changed = {
        "same.png": photographs[0],
        "jpeg.jpg": photographs[1],
        "small.png": photographs[2].resize((300, 300)),
        "dark.png": ImageEnhance.Brightness(photographs[3]).enhance(0.7),
        "border.png": bordered(photographs[4]),
    }
    found = find_leakage(train, write(tmp_path / "b", changed, ["0", "x", "y", "z", "w"]))
    pairs = {pair["test"]: (pair["train"], pair["kind"]) for pair in found["pairs"]}
    assert pairs == {
        "same.png": ("0.png", "identical"),
        "jpeg.jpg": ("1.png", "near_duplicate"),
        "small.png": ("2.png", "near_duplicate"),
        "dark.png": ("3.png", "near_duplicate"),
        "border.png": ("4.png", "near_duplicate"),
    }
    assert found["counts"] == {"identical": 1, "near_duplicate": 4}
    assert found["groups_in_both"] == [{"group": "0", "train": 1, "test": 1}]


def test_files_that_cannot_be_read_are_listed(tmp_path, photographs):
    train = write(tmp_path / "a", {"0.png": photographs[0], "1.png": photographs[1]}, "01")
    (tmp_path / "a/1.png").write_bytes(b"nothing")
    found = find_leakage(train, write(tmp_path / "b", {"0.png": photographs[0]}, "9"))
    assert found["n_train"] == 1
    assert "Row 3" in found["protocol"]["problems"][0]


def bordered(picture):
    canvas = np.zeros((600, 700, 3), np.uint8)
    canvas[44:556, 94:606] = np.asarray(picture)
    return Image.fromarray(canvas)
