"""Read the first frame of a DICOM file (ophthalmic photography, visible light, or secondary capture)."""

from __future__ import annotations

import io

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from retizero.data.errors import ImageReadError
from retizero.data.limits import check_size
from retizero.data.quiet import quiet_decoders
from retizero.data.reading import to_rgb


def read_dicom(data: bytes, name: str) -> NDArray[np.uint8]:
    """Read the first frame of a DICOM file as 8-bit RGB.

    Colour frames come out of pydicom as RGB; grey frames pass through the modality and display (VOI) look-
    up of the file and are stretched to 8 bits (DICOM PS3.3, C.11.1 and C.11.2). Patient data is not kept.

    Args:
        data: The file.
        name: What to call the file in a message.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageReadError: The file holds no picture, one outside the size limits, or one in a compression that
            this installation cannot decode.
    """
    with quiet_decoders():
        dataset = pydicom.dcmread(io.BytesIO(data))
        if "PixelData" not in dataset:
            raise ImageReadError(f"{name} is a DICOM file without a picture.")
        check_size(int(dataset.Columns), int(dataset.Rows), name)
        try:
            pixels = np.asarray(pixel_array(dataset, index=0))
        except (NotImplementedError, RuntimeError) as error:
            compression = dataset.file_meta.TransferSyntaxUID.name
            raise ImageReadError(
                f"{name} is a DICOM file in {compression} that cannot be decoded; export it as PNG."
            ) from error
        photometric = str(dataset.PhotometricInterpretation)
        if photometric == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, dataset)
        elif int(dataset.SamplesPerPixel) == 1:
            shown = np.asarray(apply_voi_lut(apply_modality_lut(pixels, dataset), dataset), np.float64)
            return _grey(shown, dataset, inverted=photometric == "MONOCHROME1")
    return to_rgb(pixels)


def _grey(shown: NDArray[np.float64], dataset: pydicom.Dataset, *, inverted: bool) -> NDArray[np.uint8]:
    """Stretch displayed grey values to 8 bits: over the stored range where no window says otherwise."""
    if "WindowWidth" in dataset or "VOILUTSequence" in dataset:
        low, high = float(shown.min()), float(shown.max())
    else:
        low, high = 0.0, float(2 ** int(dataset.BitsStored) - 1)
    grey = np.clip((shown - low) / max(high - low, 1e-9), 0, 1)
    if inverted:
        grey = 1 - grey
    return to_rgb((grey * 255).round().astype(np.uint8))
