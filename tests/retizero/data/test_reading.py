"""Photographs come in as upright 8-bit RGB, and anything else is refused in one sentence."""

import contextlib
import io
import struct
import zlib

import cv2
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from retizero.data import ImageReadError, read_image
from retizero.data.limits import MIN_SIDE

GREEN_TOP = np.zeros((80, 100, 3), np.uint8)
GREEN_TOP[:40] = (10, 200, 30)
GREEN_TOP[40:] = (200, 60, 20)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sentence(data):
    with pytest.raises(ImageReadError) as caught:
        read_image(data)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def dicom(pixels, photometric, *, bits=8, **elements):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.PatientName = "Not^Kept"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = 8 if pixels.dtype == np.uint8 else 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def test_a_png_keeps_every_pixel():
    np.testing.assert_array_equal(read_image(encoded(GREEN_TOP)), GREEN_TOP)


def test_a_jpeg_is_read_from_a_path_bytes_and_an_open_file(tmp_path):
    data = encoded(GREEN_TOP, "JPEG", quality=95)
    path = tmp_path / "photograph.jpg"
    path.write_bytes(data)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    for source in (path, str(path), data, io.BytesIO(data)):
        np.testing.assert_array_equal(read_image(source), expected)


@pytest.mark.parametrize(
    ("least", "size"), [(None, 800), (301, 800), (300, 400), (150, 200), (70, 100), (2, 100)]
)
def test_a_jpeg_may_be_read_smaller_while_both_sides_keep_enough(least, size):
    picture = cv2.resize(GREEN_TOP, (800, 600))
    image = read_image(encoded(picture, "JPEG", quality=95), least)
    assert image.shape == (size * 3 // 4, size, 3)
    shrunk = cv2.resize(picture, (size, size * 3 // 4), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(image - shrunk).mean() < 3
    assert read_image(encoded(picture), least).shape == picture.shape  # other files are read whole


def test_a_smaller_jpeg_is_upright_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = read_image(encoded(cv2.resize(GREEN_TOP, (800, 600)), "JPEG", exif=exif), 300)
    assert image.shape == (400, 300, 3)
    assert np.abs(image[200, 290].astype(int) - GREEN_TOP[10, 10]).max() < 12  # the top is on the right


def test_a_sixteen_bit_grey_png_is_scaled_over_its_full_range():
    grey = np.linspace(0, 65535, 80 * 100).reshape(80, 100).astype(np.uint16)
    data = cv2.imencode(".png", grey)[1].tobytes()
    image = read_image(data)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., 0], np.round(grey / 257).astype(np.uint8))


def test_a_sixteen_bit_colour_png_keeps_its_colours():
    wide = GREEN_TOP.astype(np.uint16) * 257
    data = cv2.imencode(".png", wide[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(read_image(data), GREEN_TOP)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA"])
def test_grey_palette_and_alpha_become_three_channels(mode):
    image = read_image(encoded(Image.fromarray(GREEN_TOP).convert(mode)))
    assert image.shape == (80, 100, 3)


def test_transparency_is_laid_on_black():
    layer = np.dstack([GREEN_TOP, np.full((80, 100), 255, np.uint8)])
    layer[:, :50, 3] = 0
    image = read_image(encoded(layer))
    assert image[:, :50].max() == 0
    np.testing.assert_array_equal(image[:, 50:], GREEN_TOP[:, 50:])


def test_a_cmyk_jpeg_shows_the_colours_it_was_made_from():
    data = encoded(Image.fromarray(GREEN_TOP).convert("CMYK"), "JPEG", quality=95)
    image = read_image(data).astype(int)
    assert np.abs(image[10, 10] - GREEN_TOP[10, 10]).max() < 12
    assert np.abs(image[70, 10] - GREEN_TOP[70, 10]).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_is_applied_as_opencv_applies_it(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = GREEN_TOP.copy()
    picture[:, :30, 2] = 250
    data = encoded(picture, kind, exif=exif)
    reference = encoded(picture, "JPEG", exif=exif, quality=95)
    expected = cv2.imdecode(np.frombuffer(reference, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    image = read_image(data).astype(int)
    assert image.shape == expected.shape
    assert np.abs(image - expected).mean() < 4


def test_the_first_page_of_a_tiff_is_read(tmp_path):
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(GREEN_TOP, photometric="rgb")
        writer.write(GREEN_TOP[::-1], photometric="rgb")
    np.testing.assert_array_equal(read_image(path), GREEN_TOP)


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_sixteen_bit_tiff_is_scaled_to_eight(tmp_path, compression, planar):
    path = tmp_path / "wide.tif"
    pixels = GREEN_TOP.astype(np.uint16) * 257
    stored = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planar, compression=compression)
    np.testing.assert_array_equal(read_image(path), GREEN_TOP)


def test_a_white_is_zero_tiff_is_inverted(tmp_path):
    path = tmp_path / "inverted.tif"
    tifffile.imwrite(path, np.zeros((80, 100), np.uint8), photometric="miniswhite")
    assert read_image(path).min() == 255


@pytest.mark.parametrize("mode", ["P", "L", "RGBA", "CMYK", "1"])
def test_every_common_colour_model_of_tiff_agrees_with_pillow(mode):
    source = Image.fromarray(GREEN_TOP).convert(mode)
    image = read_image(encoded(source, "TIFF")).astype(int)
    assert np.abs(image - np.asarray(source.convert("RGB")).astype(int)).max() <= 2


def test_a_dicom_colour_photograph_keeps_every_pixel():
    np.testing.assert_array_equal(read_image(dicom(GREEN_TOP, "RGB")), GREEN_TOP)


def test_a_dicom_in_ybr_comes_back_as_rgb():
    ybr = cv2.cvtColor(GREEN_TOP, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    image = read_image(dicom(np.ascontiguousarray(ybr), "YBR_FULL")).astype(int)
    assert np.abs(image - GREEN_TOP).max() <= 3


def test_a_twelve_bit_grey_dicom_is_stretched_and_monochrome1_inverted():
    grey = np.linspace(0, 4095, 80 * 100).reshape(80, 100).astype(np.uint16)
    expected = np.round(grey / 4095 * 255)
    plain = read_image(dicom(grey, "MONOCHROME2", bits=12))[..., 0].astype(int)
    inverted = read_image(dicom(grey, "MONOCHROME1", bits=12))[..., 0].astype(int)
    assert np.abs(plain - expected).max() <= 1
    assert np.abs(inverted - (255 - expected)).max() <= 1


def test_a_dicom_without_a_picture_is_refused():
    data = dicom(GREEN_TOP, "RGB")
    dataset = pydicom.dcmread(io.BytesIO(data))
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    assert "without a picture" in sentence(buffer.getvalue())


def test_missing_files_folders_and_empty_files_are_named(tmp_path):
    empty = tmp_path / "empty.jpg"
    empty.touch()
    assert "does not exist" in sentence(tmp_path / "nowhere.jpg")
    assert "is a folder" in sentence(tmp_path)
    assert "empty.jpg is empty" in sentence(empty)
    assert "is empty" in sentence(b"")
    assert "cannot be opened" in sentence("a\0b.jpg")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"image,label\n1.jpg,normal\n", "a text file"),
        ("正常眼底照片\n".encode() * 5, "a text file"),
        (b"<?xml version='1.0'?><svg xmlns='x'></svg>", "an SVG drawing"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"GIF89a" + bytes(100), "a GIF picture"),
        (bytes(range(256)) * 4, "not known"),
    ],
)
def test_what_is_no_photograph_is_called_by_its_kind(data, words):
    assert words in sentence(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9])
def test_a_file_cut_short_is_refused(kind, kept):
    noise = np.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    data = encoded(noise, kind)
    assert "damaged" in sentence(data[: int(len(data) * kept)])


def test_damaged_bytes_never_raise_anything_else():
    random = np.random.default_rng(2)
    noise = random.integers(0, 256, (80, 80, 3), dtype=np.uint8)
    for data in (encoded(noise), encoded(noise, "TIFF"), encoded(noise, "JPEG"), dicom(noise, "RGB")):
        for _ in range(15):
            broken = bytearray(data)
            for position in random.integers(4, min(len(data), 600), 4):
                broken[position] = random.integers(0, 256)
            with contextlib.suppress(ImageReadError):
                assert read_image(bytes(broken)).ndim == 3


def png_header(width, height):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(20_000, 20_000), (60_000, 60_000), (100, 30_000)])
def test_a_picture_that_declares_too_many_pixels_is_refused_before_decoding(size, recwarn):
    assert "the limit is" in sentence(png_header(*size))
    assert not recwarn.list


def test_a_jpeg_that_declares_too_many_pixels_is_refused_before_decoding(recwarn):
    data = bytearray(encoded(GREEN_TOP, "JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 20_000, 20_000)
    assert "20000 x 20000" in sentence(bytes(data))
    assert not recwarn.list


def test_a_tiff_that_declares_too_many_pixels_is_refused_before_decoding(tmp_path):
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, shape=(20_000, 20_000, 3), dtype="uint8", photometric="rgb", compression=None)
    data = path.read_bytes()[:4096]
    assert "20000 x 20000" in sentence(data)


def test_a_picture_of_eight_pixels_is_too_small_and_the_smallest_allowed_is_not():
    assert f"at least {MIN_SIDE}" in sentence(encoded(GREEN_TOP[:8, :8]))
    assert read_image(encoded(GREEN_TOP[:MIN_SIDE, :MIN_SIDE])).shape == (MIN_SIDE, MIN_SIDE, 3)


def test_an_animation_is_refused():
    frames = [Image.fromarray(GREEN_TOP), Image.fromarray(GREEN_TOP[::-1])]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    assert "animation" in sentence(buffer.getvalue())


def test_broken_exif_is_ignored_without_a_warning(recwarn):
    data = encoded(GREEN_TOP, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff broken")
    assert read_image(data).shape == (80, 100, 3)
    assert not recwarn.list
