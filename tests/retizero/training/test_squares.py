"""Photographs cropped once and kept."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from retizero.data import ManifestRow, Preprocess
from retizero.training import squares
from retizero.training.squares import cached_squares


def rows_in(folder):
    rows = []
    for number in range(3):
        path = folder / f"{number}.png"
        Image.fromarray(np.full((70, 90, 3), 40 + 60 * number, np.uint8)).save(path)
        rows.append(ManifestRow(path, path.name, "drusen", ("drusen",), str(number), "", "train", number + 2))
    return rows


def test_squares_are_read_once_and_again_for_other_photographs(tmp_path, monkeypatch):
    rows = rows_in(tmp_path)
    first = cached_squares(rows, Preprocess(32), tmp_path / "cache").pixels
    assert first.shape == (3, 32, 32, 3)
    assert [int(square[16, 16, 0]) for square in first] == [40, 100, 160]
    monkeypatch.setattr(squares, "read_image", lambda path: pytest.fail("read again"))
    assert np.array_equal(cached_squares(rows, Preprocess(32), tmp_path / "cache").pixels, first)
    with pytest.raises(pytest.fail.Exception, match="read again"):
        cached_squares(rows[:2], Preprocess(32), tmp_path / "cache")


def test_squares_are_framed_as_the_model_frames(tmp_path):
    """A squashed photograph keeps its black sides, one cropped to its field does not."""
    path = tmp_path / "wide.png"
    wide = np.zeros((100, 200, 3), np.uint8)
    rows, columns = np.ogrid[:100, :200]
    wide[np.hypot(rows - 50, columns - 100) < 48] = 180
    Image.fromarray(wide).save(path)
    row = ManifestRow(path, path.name, "drusen", ("drusen",), "0", "", "train", 2)
    share = {
        crop: (cached_squares([row], Preprocess(64, crop=crop), tmp_path / "cache").pixels > 90).mean()
        for crop in ("field", "squash")
    }
    assert share["squash"] == pytest.approx(np.pi * 48**2 / 20000, abs=0.03)
    assert share["field"] == pytest.approx(np.pi / 4, abs=0.06)


def test_a_photograph_that_cannot_be_read_is_black_and_told_also_when_read_again(tmp_path):
    rows = rows_in(tmp_path)
    rows[1] = replace(rows[1], image=tmp_path / "text.png")
    rows[1].image.write_text("no picture")
    for _ in range(2):
        found = cached_squares(rows, Preprocess(32), tmp_path / "cache")
        assert [place for place in found.problems] == [1]
        assert found.problems[1].startswith("Row 3: ")
        assert found.pixels[1].max() == 0
        assert found.pixels[2].max() == 160


def test_a_file_that_was_not_finished_is_made_again(tmp_path, monkeypatch):
    rows = rows_in(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(squares, "read_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached_squares(rows, Preprocess(32), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    assert cached_squares(rows, Preprocess(32), tmp_path / "cache").pixels[2].max() == 160


def interrupted(_):
    raise KeyboardInterrupt
