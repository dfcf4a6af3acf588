"""Find the round field of view of a fundus photograph on its background, and crop to it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retizero.data.ellipse_fit import Ellipse, fit_ellipse

_WORKING_SIDE = 320
_THRESHOLDS = (12, 8, 20, 34, 5, 60, 3, 2)  # likely ones first; the lowest see the halo of a bright field
_WHITE = 235  # a corner brighter than this is a page or a mask, not a camera's background
_MIN_ARC = 0.10  # of the full circle that must be seen as an edge: 36 degrees
_MIN_SUPPORT = 0.55  # of that part of the circle which lies in the picture
_MIN_CLEAN_OUTSIDE = 0.85  # of the pixels outside the circle that must be background
_CERTAIN = 0.95  # a rating at which nothing further is tried
_ACCEPTED, _ACCEPTED_SQUEEZED = 0.5, 0.75  # ratings below which a circle, or a squeezed one, is chance
_SQUEEZE_GAIN = 0.03  # by which a squeezed circle must be better, having one parameter more


@dataclass(frozen=True)
class FieldOfView:
    """The circle that a fundus camera's aperture draws.

    Attributes:
        center_x: Pixels from the left edge of the picture.
        center_y: Pixels from the top edge of the picture.
        radius: Pixels; the circle may reach beyond the picture where the photograph is cut.
        coverage: Fraction of the picture that lies inside the circle, 0 to 1.
        found: False where no circle is seen; the circle then encloses the whole picture's longer side.
        squeeze: Vertical over horizontal radius. 1 for a circle; else the picture was scaled unevenly
            before it came here, and ``radius`` is the larger of the two.
    """

    center_x: float
    center_y: float
    radius: float
    coverage: float
    found: bool
    squeeze: float = 1.0

    @property
    def radius_x(self) -> float:
        """Horizontal radius in pixels."""
        return self.radius / max(self.squeeze, 1.0)

    @property
    def radius_y(self) -> float:
        """Vertical radius in pixels."""
        return self.radius * min(self.squeeze, 1.0)


def field_of_view(image: NDArray[np.uint8]) -> FieldOfView:
    """Find the circular field of view.

    The background is whatever the corners show (black, a grey border, or a white page around a black one). At
    several thresholds of difference from it, the outermost pixels of each row and column are collected and
    a circle is fitted by RANSAC with a least-squares refinement, so that labels in a corner, the notch of
    the aperture, dark sectors and a cut top or bottom do not move it. The best-supported circle counts as
    found when a sufficient arc is really an edge and what lies outside is background. Where no circle fits
    well, one squeezed along an axis is tried.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        The circle in pixels of ``image``.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    ellipse = _find(_difference_from_background(np.asarray(small, np.uint8)))
    if ellipse is None:
        return FieldOfView((width - 1) / 2, (height - 1) / 2, max(width, height) / 2, 1.0, False)
    scale_x, scale_y = width / size[0], height / size[1]
    radius_x, radius_y = ellipse.radius_x * scale_x, ellipse.radius_y * scale_y
    round_enough = ellipse.radius_x == ellipse.radius_y
    inside = ellipse.distance(np.arange(size[0])[None, :], np.arange(size[1])[:, None]) <= 1
    return FieldOfView(
        center_x=(ellipse.x + 0.5) * scale_x - 0.5,
        center_y=(ellipse.y + 0.5) * scale_y - 0.5,
        radius=(radius_x + radius_y) / 2 if round_enough else max(radius_x, radius_y),
        coverage=float(inside.mean()),
        found=True,
        squeeze=1.0 if round_enough else radius_y / radius_x,
    )


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of a picture; it may reach beyond it."""

    left: int
    top: int
    width: int
    height: int


def field_box(image: NDArray[np.uint8]) -> Box:
    """The rectangle around the field of view of (H, W, 3) uint8 RGB; a square unless it is squeezed."""
    field = field_of_view(image)
    wide, high = max(1, round(2 * field.radius_x)), max(1, round(2 * field.radius_y))
    return Box(round(field.center_x + 0.5 - wide / 2), round(field.center_y + 0.5 - high / 2), wide, high)


def crop_to_field(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut out the square around the field of view.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (S, S, 3) uint8, black where the square reaches beyond the picture. A squeezed field is stretched
        back to a circle. Where no field of view is found the whole picture is padded to a square.
    """
    box = field_box(image)
    height, width = image.shape[:2]
    cut = np.zeros((box.height, box.width, 3), np.uint8)
    x0, y0 = max(box.left, 0), max(box.top, 0)
    x1, y1 = min(box.left + box.width, width), min(box.top + box.height, height)
    cut[y0 - box.top : y1 - box.top, x0 - box.left : x1 - box.left] = image[y0:y1, x0:x1]
    if box.width != box.height:
        side = max(box.width, box.height)
        return np.asarray(cv2.resize(cut, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    return cut


def _find(difference: NDArray[np.uint8]) -> Ellipse | None:
    """The best-rated circle over all thresholds, or squeezed circle where that one is clearly better."""
    ceiling = max(0.6 * float(np.percentile(difference, 95)), min(_THRESHOLDS))
    best: Ellipse | None = None
    best_rating = 0.0
    for circle in (True, False):
        for threshold in _THRESHOLDS:
            if best_rating > _CERTAIN:
                return best
            if threshold > ceiling:
                continue
            ellipse = fit_ellipse(_outermost_points(difference > threshold), difference.shape, circle=circle)
            if ellipse is None:
                continue
            rating = _rating(ellipse, difference, threshold) - (0.0 if circle else _SQUEEZE_GAIN)
            if rating > max(best_rating, _ACCEPTED if circle else _ACCEPTED_SQUEEZED):
                best, best_rating = ellipse, rating
    return best


def _difference_from_background(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How far each pixel is from the background colour, largest channel, (H, W) uint8, speckle removed."""
    height, width = small.shape[:2]
    patch = max(2, round(0.03 * max(height, width)))
    ends = (slice(patch), slice(-patch, None))
    medians = np.array([np.median(small[y, x].reshape(-1, 3), axis=0) for y in ends for x in ends])
    if (medians.min(axis=1) > _WHITE).sum() >= 3:
        return _difference_from_background(_without_white_page(small))
    order = np.argsort(medians.sum(axis=1))
    # The second darkest corner: up to two may hold retina or a label.
    background = medians[order[1]].round().astype(np.int16)
    difference = np.abs(small.astype(np.int16) - background).max(axis=2)
    return np.asarray(cv2.medianBlur(difference.astype(np.uint8), 5))


def _without_white_page(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint the white that reaches the picture's edge black."""
    white = (small.min(axis=2) > _WHITE - 15).astype(np.uint8)
    _, regions = cv2.connectedComponents(white)
    edge = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    reaching = np.isin(regions, np.setdiff1d(edge, [0])).astype(np.uint8)
    page = cv2.dilate(reaching, np.ones((5, 5), np.uint8))  # with the blurred rim of the page
    return np.asarray(np.where(page[:, :, None] > 0, 0, small), np.uint8)


def _outermost_points(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """First and last foreground pixel of every row and column, (N, 2) x and y; none on the picture's edge."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left = mask[rows].argmax(axis=1)
    right = width - 1 - mask[rows, ::-1].argmax(axis=1)
    top = mask[:, columns].argmax(axis=0)
    bottom = height - 1 - mask[::-1, columns].argmax(axis=0)
    # Half a pixel outwards: the edge runs along the outer border of the last foreground pixel.
    x = np.concatenate([left - 0.5, right + 0.5, columns, columns])
    y = np.concatenate([rows, rows, top - 0.5, bottom + 0.5])
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    return np.stack([x[inside], y[inside]], axis=1).astype(np.float64)


def _rating(ellipse: Ellipse, difference: NDArray[np.uint8], threshold: int) -> float:
    """Rate from 0 to 1: the part of the outline that is an edge, times how well the inside is what is bright.

    The overlap (intersection over union) tells a squeezed field, which a large circle touches on one side
    only, from a round one that the picture cuts. 0 where the circle is not a field of view.
    """
    height, width = difference.shape
    margin = max(2.0, 0.03 * min(ellipse.radius_x, ellipse.radius_y))
    angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)

    def outline(offset: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        x = ellipse.x + np.cos(angles) * (ellipse.radius_x + offset)
        y = ellipse.y + np.sin(angles) * (ellipse.radius_y + offset)
        return x.round().astype(np.intp), y.round().astype(np.intp)

    (inner_x, inner_y), (outer_x, outer_y) = outline(-margin), outline(margin)
    seen = (outer_x >= 0) & (outer_x < width) & (outer_y >= 0) & (outer_y < height)
    if not seen.any():
        return 0.0
    inner = difference[inner_y[seen].clip(0, height - 1), inner_x[seen].clip(0, width - 1)].astype(int)
    outer = difference[outer_y[seen], outer_x[seen]].astype(int)
    edge = (inner > threshold) & (outer <= threshold) & (inner - outer >= 2)
    beyond = 1 + margin / min(ellipse.radius_x, ellipse.radius_y)
    distance = ellipse.distance(np.arange(width)[None, :], np.arange(height)[:, None])
    bright = difference > threshold
    outside = bright[distance > beyond]
    clean = 1 - float(outside.mean()) if outside.size else 0.0
    overlap = float((bright & (distance <= 1)).sum() / max((bright | (distance <= 1)).sum(), 1))
    arc, support = edge.sum() / 360, float(edge.mean())
    if arc < _MIN_ARC or support < _MIN_SUPPORT or clean < _MIN_CLEAN_OUTSIDE:
        return 0.0
    return support * overlap
