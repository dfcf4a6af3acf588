"""Photographs as readers get them: one canvas, one file size, the same pixels, nothing else."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from reader_study.case_list import image_sha256
from reader_study.photographs import CasePhotograph
from retizero import phantom
from retizero.data import crop_to_field, read_image
from webapp.photographs import Photographs, on_canvas
from webapp.png import SMALLEST_PADDING, chunks_of, map_png, padded, to_png


@pytest.fixture
def noise():
    return np.random.default_rng(5).integers(0, 256, (40, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize("more", [*range(SMALLEST_PADDING, SMALLEST_PADDING + 13), 999, 100_003])
def test_a_png_is_padded_to_any_size_and_keeps_its_pixels(noise, more):
    plain = to_png(noise)
    padded_file = padded(plain, len(plain) + more)
    assert len(padded_file) == len(plain) + more
    with Image.open(BytesIO(padded_file)) as picture:
        assert (np.asarray(picture) == noise).all()
        assert picture.info == {}
    assert {kind for kind, _ in chunks_of(padded_file)} == {b"IHDR", b"IDAT", b"IEND"}


def test_a_png_cannot_be_padded_to_less_than_itself(noise):
    plain = to_png(noise)
    with pytest.raises(ValueError, match="cannot be padded"):
        padded(plain, len(plain) - 1)


def test_a_png_with_text_is_not_taken_for_a_bare_one(noise):
    from PIL.PngImagePlugin import PngInfo

    text, out = PngInfo(), BytesIO()
    text.add_text("Comment", "Doe")
    Image.fromarray(noise).save(out, "PNG", pnginfo=text)
    with pytest.raises(ValueError, match="more than a picture"):
        padded(out.getvalue(), 10**6)


@pytest.fixture
def cases(tmp_path):
    """Three photographs of different sizes, cameras' borders and compressions."""
    made = []
    for number, (size, kind) in enumerate([(200, "png"), (260, "jpg"), (320, "png")]):
        path = tmp_path / f"camera-{number}.{kind}"
        picture = Image.fromarray(phantom.render("drusen", seed=number, size=size))
        canvas = Image.new("RGB", (size + 60 * number, size))
        canvas.paste(picture, (30 * number, 0))
        canvas.save(path)
        made.append(CasePhotograph(f"C{number}", path, image_sha256(path)))
    return made


def test_all_photographs_of_a_study_have_one_canvas_and_one_size_in_bytes(cases, tmp_path):
    photographs = Photographs(tmp_path / "prepared")
    files = [photographs.png(case, cases) for case in cases]
    assert len({len(file) for file in files}) == 1
    pictures = [read_image(file) for file in files]
    assert len({picture.shape for picture in pictures}) == 1
    for case, picture in zip(cases, pictures, strict=True):
        square = crop_to_field(read_image(case.path))
        assert (on_canvas(square, picture.shape[0]) == picture).all(), "pixels are those of the file"


def test_prepared_photographs_are_made_once_and_survive_a_missing_neighbour(cases, tmp_path):
    photographs = Photographs(tmp_path / "prepared")
    cases[1].path.unlink()
    first = photographs.png(cases[0], cases)
    made = photographs.prepare(cases)
    before = {file.name: file.stat().st_mtime_ns for file in made.iterdir()}
    assert photographs.png(cases[0], cases) == first
    assert {file.name: file.stat().st_mtime_ns for file in made.iterdir()} == before
    assert len(before) == 2
    with pytest.raises(OSError, match="No such file"):
        photographs.png(cases[1], cases)


def test_an_evidence_map_is_clear_where_nothing_speaks_for_the_diagnosis():
    heat = np.zeros((8, 8), np.float32)
    heat[2, 3] = 1.0
    with Image.open(BytesIO(map_png(heat))) as picture:
        alpha = np.asarray(picture)[..., 3]
    assert alpha[2, 3] == 255
    assert alpha.sum() == 255
