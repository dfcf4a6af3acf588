"""Read the first page of a TIFF file."""

from __future__ import annotations

import io

import numpy as np
import tifffile
from numpy.typing import NDArray

from retizero.data.errors import ImageReadError
from retizero.data.limits import check_size
from retizero.data.quiet import quiet_decoders
from retizero.data.reading import to_rgb, upright


def read_tiff(data: bytes, name: str) -> NDArray[np.uint8]:
    """Read the first page of a TIFF as 8-bit RGB.

    Args:
        data: The file.
        name: What to call the file in a message.

    Returns:
        (H, W, 3) uint8 RGB, turned as the file's orientation tag asks.

    Raises:
        ImageReadError: The picture is outside the size limits, or its colour model is not supported.
    """
    with quiet_decoders(), tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        check_size(int(page.imagewidth), int(page.imagelength), name)
        if page.imagedepth != 1:
            raise ImageReadError(f"{name} is a volume, not one photograph.")
        pixels = np.asarray(page.asarray())
        photometric = tifffile.PHOTOMETRIC(page.photometric).name
        planar = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and page.samplesperpixel > 1
        colormap = page.colormap
        bits = int(page.bitspersample)
        tag = page.tags.get("Orientation")
        orientation = int(tag.value) if tag is not None else 1
    if planar:
        pixels = np.moveaxis(pixels, 0, -1)
    return upright(_colours(pixels, photometric, colormap, bits, name), orientation)


def _colours(
    pixels: NDArray[np.generic],
    photometric: str,
    colormap: NDArray[np.uint16] | None,
    bits: int,
    name: str,
) -> NDArray[np.uint8]:
    """Turn the stored samples of one page into RGB (photometric interpretation of TIFF 6.0, section 8)."""
    if photometric == "PALETTE" and colormap is not None:
        return to_rgb(np.moveaxis(np.asarray(colormap, np.uint16), 0, -1)[pixels.astype(np.intp)])
    if pixels.dtype in (np.uint8, np.uint16) and bits not in (8, 16):
        # 12-bit cameras and 1-, 2- or 4-bit scans: stretch to the full range of the type.
        full = 255 if pixels.dtype == np.uint8 else 65535
        pixels = (pixels.astype(np.float64) * (full / (2**bits - 1))).round().astype(pixels.dtype)
    if photometric in ("MINISBLACK", "MINISWHITE"):
        grey = to_rgb(pixels[..., 0] if pixels.ndim == 3 else pixels)
        return 255 - grey if photometric == "MINISWHITE" else grey
    if photometric in ("RGB", "YCBCR") and pixels.ndim == 3 and pixels.shape[2] >= 3:
        rgb = to_rgb(pixels[..., :3])
        return _on_black(rgb, pixels[..., 3]) if pixels.shape[2] == 4 else rgb
    if photometric == "SEPARATED" and pixels.ndim == 3 and pixels.shape[2] >= 4:
        ink = to_rgb(pixels[..., :3]).astype(np.uint16)
        black = to_rgb(pixels[..., 3]).astype(np.uint16)
        return ((255 - ink) * (255 - black) // 255).astype(np.uint8)
    raise ImageReadError(f"{name} stores its colours as {photometric}, not supported; save it as RGB.")


def _on_black(rgb: NDArray[np.uint8], alpha: NDArray[np.generic]) -> NDArray[np.uint8]:
    opacity = to_rgb(alpha).astype(np.uint16)
    return ((rgb.astype(np.uint16) * opacity + 127) // 255).astype(np.uint8)
