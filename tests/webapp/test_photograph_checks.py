"""Doubtful photographs are told to the manager before a study is made of them."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

from reader_study.case_list import StudyCase
from retizero import phantom
from webapp.photograph_checks import check_photographs, metadata_of, writing_outside


def case(path, id):
    return StudyCase(id, path, ("drusen",))


@pytest.fixture
def picture():
    return Image.fromarray(phantom.render("drusen", seed=3, size=320))


def test_the_same_file_and_nearly_the_same_picture_are_told_apart(picture, tmp_path):
    first, copy, saved_again, other = (tmp_path / name for name in ("a.png", "b.png", "c.jpg", "d.png"))
    picture.save(first)
    shutil.copy(first, copy)
    picture.resize((280, 280)).save(saved_again, quality=80)
    Image.fromarray(phantom.render("glaucoma", seed=9, size=320)).save(other)
    found = check_photographs([case(first, "A"), case(copy, "B"), case(saved_again, "C"), case(other, "D")])
    assert found.problems == ()
    assert found.warnings == (
        "case B: the same file as case A.",
        "case C: nearly the same picture as case A.",
    )


def test_a_file_that_is_no_picture_is_named(picture, tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    found = check_photographs([case(tmp_path / "text.png", "X")])
    assert len(found.problems) == 1
    assert found.problems[0].startswith("case X: ")


def test_metadata_that_may_tell_who_or_where_is_named(picture, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe, left eye"
    exif.get_ifd(0x8825)[1] = "N"
    path = tmp_path / "told.jpg"
    picture.save(path, exif=exif)
    assert metadata_of(path.read_bytes()) == ["EXIF description", "EXIF GPS position"]
    picture.save(tmp_path / "bare.png")
    assert metadata_of((tmp_path / "bare.png").read_bytes()) == []


def test_writing_beside_the_field_of_view_is_seen_and_a_plain_border_is_not(picture):
    wide = Image.new("RGB", (560, 320))
    wide.paste(picture, (120, 0))
    assert not writing_outside(np.asarray(wide))
    ImageDraw.Draw(wide).text((6, 290), "DOE JANE 1950", fill="white")
    assert writing_outside(np.asarray(wide))
