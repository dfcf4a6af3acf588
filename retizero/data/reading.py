"""Read a photograph, whatever it comes in, into one form: 8-bit RGB, upright, without metadata."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retizero.data.errors import ImageReadError
from retizero.data.file_kind import READABLE, file_kind, jpeg_size, png_size
from retizero.data.limits import MAX_BYTES, check_bytes, check_size
from retizero.data.quiet import quiet_decoders

_ORIENTATION_TAG = 0x0112
# EXIF 2.32, tag 0x0112: value -> (quarter turns counter-clockwise, mirrored left-right afterwards).
_UPRIGHT = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}


def read_image(source: str | Path | bytes | BinaryIO, least: int | None = None) -> NDArray[np.uint8]:
    """Read a photograph as 8-bit RGB.

    JPEG (grey, colour, CMYK), PNG (8 and 16 bit, grey, palette, alpha), TIFF (8 and 16 bit, first page) and
    DICOM (first frame) are read. The EXIF orientation is applied, transparency is laid on black, colour
    profiles are not applied, and nothing of the metadata is kept. The declared size is checked before
    decoding.

    Args:
        source: A path, the bytes of a file, or an open binary file.
        least: Where given, a JPEG may be decoded at a half, a quarter or an eighth of its size, as long as
            both sides keep that many pixels; several times faster for large photographs.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous.

    Raises:
        ImageReadError: The file is missing, empty, damaged, too small, too large, or not such a picture. The
            message is one sentence.
    """
    data, name = _read_bytes(source)
    kind = file_kind(data)
    if kind not in ("jpeg", "png", "tiff", "dicom"):
        raise ImageReadError(f"{name} is {kind}, not a photograph that can be read; use {READABLE}.")
    try:
        image = _decode(kind, data, name, least)
    except ImageReadError:
        raise
    except Exception as error:
        # Damaged files raise nearly anything in the decoders (struct.error, IndexError, zlib.error, ...).
        raise ImageReadError(f"{name} is damaged or cut short and cannot be decoded.") from error
    return np.ascontiguousarray(image)


def _read_bytes(source: str | Path | bytes | BinaryIO) -> tuple[bytes, str]:
    """Return the whole file and what to call it in a message."""
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), "The picture"
    elif isinstance(source, str | os.PathLike):
        name = str(source)
        try:
            path = Path(source)
            if path.is_dir():
                raise ImageReadError(f"{name} is a folder, not a photograph.")
            check_bytes(path.stat().st_size, name)
            data = path.read_bytes()
        except FileNotFoundError:
            raise ImageReadError(f"{name} does not exist.") from None
        except (OSError, ValueError) as error:
            if isinstance(error, ImageReadError):
                raise
            raise ImageReadError(f"{name} cannot be opened.") from error
    else:
        data, name = source.read(MAX_BYTES + 1), "The picture"
    check_bytes(len(data), name)
    return data, name


def _decode(kind: str, data: bytes, name: str, least: int | None) -> NDArray[np.uint8]:
    if kind == "tiff":
        from retizero.data.tiff import read_tiff

        return read_tiff(data, name)
    if kind == "dicom":
        from retizero.data.dicom import read_dicom

        return read_dicom(data, name)
    size = jpeg_size(data) if kind == "jpeg" else png_size(data)
    if size is None:
        raise ImageReadError(f"{name} is damaged or cut short and cannot be decoded.")
    check_size(*size, name)
    return _decode_with_pillow(kind, data, name, least)


def _decode_with_pillow(kind: str, data: bytes, name: str, least: int | None) -> NDArray[np.uint8]:
    formats = ("JPEG", "MPO") if kind == "jpeg" else ("PNG",)
    with quiet_decoders():
        image: Image.Image = Image.open(io.BytesIO(data), formats=formats)
        check_size(*image.size, name)
        if kind == "png" and getattr(image, "is_animated", False):
            raise ImageReadError(f"{name} is an animation, not one photograph.")
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
        if least is not None:
            image.draft("", (least, least))  # Pillow's other formats ignore it
    image.load()
    return upright(_to_rgb(image), orientation)


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Turn any mode Pillow decodes JPEG and PNG to into (H, W, 3) uint8 RGB."""
    if image.mode.startswith("I"):  # 16-bit grey: I;16, I;16B, or I
        return to_rgb(np.asarray(image).astype(np.uint16))
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        black = Image.new("RGBA", layer.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, layer)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def to_rgb(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale 8- or 16-bit grey or RGB samples to 8-bit RGB.

    Args:
        pixels: (H, W), (H, W, 1) or (H, W, 3), uint8 or uint16 over the type's full range, or bool.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageReadError: The samples are of another type or shape.
    """
    if pixels.dtype == np.bool_:
        scaled = pixels.astype(np.uint8) * np.uint8(255)
    elif pixels.dtype == np.uint8:
        scaled = pixels.astype(np.uint8, copy=False)
    elif pixels.dtype == np.uint16:
        scaled = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    else:
        raise ImageReadError(f"The picture stores {pixels.dtype} samples; use 8 or 16 bits per channel.")
    if scaled.ndim == 2:
        scaled = scaled[:, :, None]
    if scaled.ndim != 3 or scaled.shape[2] not in (1, 3):
        raise ImageReadError("The picture has neither one (grey) nor three (RGB) channels.")
    return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled


def upright(image: NDArray[np.uint8], orientation: object) -> NDArray[np.uint8]:
    """Turn and mirror a picture as its EXIF orientation asks (EXIF 2.32, tag 0x0112)."""
    quarters, mirrored = _UPRIGHT.get(orientation, (0, False)) if isinstance(orientation, int) else (0, False)
    turned = np.rot90(image, quarters)
    return turned[:, ::-1] if mirrored else turned
