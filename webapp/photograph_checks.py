"""What a manager should know of photographs before they make a study: unreadable, twice, telling too much.

Nothing found here reaches readers: they get the field of view only, without metadata. It may still be that a
case counts twice, or that a name stands in the picture itself.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image

from reader_study.case_list import StudyCase
from retizero.data import ImageReadError, read_image
from retizero.data.field_of_view import field_of_view
from retizero.data.file_kind import file_kind
from retizero.evaluation.leakage import LEAST_CORRELATION, MOST_BITS, fingerprint

PERSONAL_TAGS = ("PatientName", "PatientID", "PatientBirthDate", "InstitutionName", "OperatorsName")
GPS_IFD, TEXT_TAGS = 0x8825, {0x010E: "description", 0x013B: "artist", 0x9286: "comment", 0x010F: "camera"}
_OUTSIDE = 1.06  # radii from the centre from where on a pixel is surely outside the field of view
_BRIGHT = 70  # levels above the background that letters have
_LETTERS = (3, 400)  # marks of letter size: how many there must be and the most pixels of one, at 1000 px


@dataclass(frozen=True)
class PhotographChecks:
    """Sentences about cases: ``problems`` keep them out, ``warnings`` are for the manager to judge."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def check_photographs(
    cases: Sequence[StudyCase], looked_at: Callable[[int], object] = lambda done: None
) -> PhotographChecks:
    """Read every photograph of a case list once and say what is wrong or doubtful about it.

    Args:
        cases: whose photographs to read.
        looked_at: told before each how many were read.
    """
    problems, warnings = list[str](), list[str]()
    digests: defaultdict[str, list[str]] = defaultdict(list)
    seen: list[tuple[str, npt.NDArray[np.uint8], npt.NDArray[np.float32]]] = []
    for done, case in enumerate(cases):
        looked_at(done)
        try:
            data = case.image.read_bytes()
            image = read_image(data)
        except (ImageReadError, OSError) as error:
            problems.append(f"case {case.case_id}: {error}")
            continue
        same = digests[hashlib.sha256(data).hexdigest()]
        if same:
            warnings.append(f"case {case.case_id}: the same file as case {same[0]}.")
        else:
            bits, detail = fingerprint(image)
            if alike := _first_alike(seen, bits, detail):
                warnings.append(f"case {case.case_id}: nearly the same picture as case {alike}.")
            seen.append((case.case_id, bits, detail))
        same.append(case.case_id)
        if told := metadata_of(data):
            warnings.append(
                f"case {case.case_id}: the file carries {', '.join(told)}; readers get none of it."
            )
        if writing_outside(image):
            warnings.append(
                f"case {case.case_id}: there seems to be writing beside the field of view; readers see the "
                "field only."
            )
    return PhotographChecks(tuple(problems), tuple(warnings))


def metadata_of(data: bytes) -> list[str]:
    """Return what a file says beside its pixels and may tell too much, in words."""
    if file_kind(data) == "dicom":
        header = pydicom.dcmread(BytesIO(data), stop_before_pixels=True, force=True)
        told = [f"DICOM {tag}" for tag in PERSONAL_TAGS if str(getattr(header, tag, "") or "").strip()]
        if str(getattr(header, "BurnedInAnnotation", "")).upper() == "YES":
            told.append("the mark that writing is burned in")
        return told
    try:
        with Image.open(BytesIO(data)) as picture:
            exif = picture.getexif()
            told = [f"EXIF {name}" for tag, name in TEXT_TAGS.items() if exif.get(tag)]
            if exif.get_ifd(GPS_IFD):
                told.append("EXIF GPS position")
            told += [
                f"text ({key})"
                for key, value in picture.info.items()
                if isinstance(value, str) and len(value) > 3
            ]
            return told
    except (OSError, ValueError, SyntaxError):
        return []


def writing_outside(image: npt.NDArray[np.uint8]) -> bool:
    """Whether marks as large as letters stand beside the field of view of a photograph (H, W, 3) uint8."""
    scale = 1000 / max(image.shape[:2])
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    field = field_of_view(image)
    if not field.found:
        return False
    factor = min(scale, 1.0)
    rows, columns = np.indices(grey.shape)
    across = (columns - field.center_x * factor) / (field.radius_x * factor)
    down = (rows - field.center_y * factor) / (field.radius_y * factor)
    outside = across**2 + down**2 > _OUTSIDE**2
    if outside.sum() < 500:
        return False
    marks = (outside & (grey > np.median(grey[outside]) + _BRIGHT)).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(marks, connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    return int(((sizes >= 6) & (sizes <= _LETTERS[1])).sum()) >= _LETTERS[0]


def _first_alike(
    seen: Sequence[tuple[str, npt.NDArray[np.uint8], npt.NDArray[np.float32]]],
    bits: npt.NDArray[np.uint8],
    detail: npt.NDArray[np.float32],
) -> str | None:
    alike = (
        id
        for id, other, other_detail in seen
        if np.unpackbits(other ^ bits).sum() <= MOST_BITS
        and float(other_detail @ detail) >= LEAST_CORRELATION
    )
    return next(alike, None)
