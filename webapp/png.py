"""PNG files that say nothing but their pixels: no metadata, and a size in bytes that can be chosen."""

import struct
import zlib
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # a stored deflate block of no bytes (RFC 1951, 3.2.4)
_EMPTY_CHUNK = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
SMALLEST_PADDING = 4 * len(_EMPTY_CHUNK)
"""Bytes that can always be added; fewer may not be a sum of the two paddings."""


def to_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Encode an RGB image (H, W, 3) uint8 as PNG without any metadata chunk."""
    out = BytesIO()
    Image.fromarray(image).save(out, format="PNG", optimize=False, compress_level=3)
    return out.getvalue()


def map_png(heat: npt.NDArray[np.float32]) -> bytes:
    """Encode evidence (H, W) from 0 to 1 as a PNG to lay over a photograph: yellow, opaque where 1."""
    colours = np.zeros((*heat.shape, 4), np.uint8)
    colours[..., :3] = (255, 214, 10)
    colours[..., 3] = np.clip(heat, 0, 1) * 255
    out = BytesIO()
    Image.fromarray(colours).save(out, format="PNG")
    return out.getvalue()


def padded(png: bytes, size: int) -> bytes:
    """Return the same pixels in a file of exactly ``size`` bytes, still of IHDR, IDAT and IEND only.

    Room is filled with empty deflate blocks (5 bytes each) before the picture's own, and at most four empty
    IDAT chunks (12 bytes each), so that every size from ``len(png) + 48`` on can be met.

    Raises:
        ValueError: ``size`` is too small, or ``png`` is not what ``to_png`` returns.
    """
    header, data = _parts(png)
    plain = len(SIGNATURE) + 12 + len(header) + 12 + len(data) + 12
    room = size - plain
    chunks = next((n for n in range(5) if room >= 12 * n and (room - 12 * n) % 5 == 0), None)
    if chunks is None:
        raise ValueError(f"a PNG of {plain} bytes cannot be padded to {size} bytes")
    blocks = (room - 12 * chunks) // 5
    stream = data[:2] + _EMPTY_BLOCK * blocks + data[2:]
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", stream)
        + _EMPTY_CHUNK * chunks
        + _chunk(b"IEND", b"")
    )


def chunks_of(png: bytes) -> list[tuple[bytes, bytes]]:
    """Return the chunks of a PNG as (type, content).

    Raises:
        ValueError: the bytes are no PNG.
    """
    if not png.startswith(SIGNATURE):
        raise ValueError("these bytes are no PNG")
    found, at = [], len(SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        found.append((kind, png[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _parts(png: bytes) -> tuple[bytes, bytes]:
    chunks = chunks_of(png)
    if {kind for kind, _ in chunks} != {b"IHDR", b"IDAT", b"IEND"}:
        raise ValueError("this PNG holds more than a picture")
    return chunks[0][1], b"".join(content for kind, content in chunks if kind == b"IDAT")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
