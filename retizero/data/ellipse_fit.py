"""Fit a circle, or a circle that was squeezed along one axis, to edge points with many outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CANDIDATES = 150
_SCORED_POINTS = 200
_MIN_POINTS = 20
_MIN_RADIUS, _MAX_RADIUS = 0.22, 0.95  # of the shorter and of the longer side
_MAX_OFFSET = 0.20  # of a side, between the middle of the picture and the centre
_MAX_SQUEEZE = 1.7  # 3:2 photographs squeezed to a square reach 1.5


@dataclass(frozen=True)
class Ellipse:
    """An ellipse with horizontal and vertical axes, in pixels."""

    x: float
    y: float
    radius_x: float
    radius_y: float

    def distance(self, x: NDArray[np.number], y: NDArray[np.number]) -> NDArray[np.float64]:
        """Distance from the centre in units of the radius: 1 on the ellipse, below 1 inside."""
        return np.asarray(np.hypot((x - self.x) / self.radius_x, (y - self.y) / self.radius_y))


def fit_ellipse(points: NDArray[np.float64], shape: tuple[int, ...], *, circle: bool) -> Ellipse | None:
    """Fit by RANSAC over minimal samples, refined by algebraic least squares on the inliers.

    Args:
        points: (N, 2) x and y in pixels.
        shape: Height and width of the picture; the centre must lie near its middle and the radius in
            proportion.
        circle: Whether both radii must be equal.

    Returns:
        The best-supported ellipse, or None where there are too few points or none is plausible.
    """
    if len(points) < _MIN_POINTS:
        return None
    height, width = shape
    # Coordinates around the middle in units of the longer side keep the linear systems well conditioned.
    scale = float(max(shape))
    origin = np.array([width / 2, height / 2])
    normal = (points - origin) / scale
    random = np.random.default_rng(0)
    picks = random.integers(0, len(points), (_CANDIDATES, 3 if circle else 4))
    candidates = _solve_minimal(normal[picks], circle=circle)
    candidates = candidates[_plausible(candidates, height / scale, width / scale)]
    if len(candidates) == 0:
        return None
    tolerance = max(1.0, 0.005 * scale) / scale
    sample = normal[:: max(1, len(normal) // _SCORED_POINTS)]
    votes = (_residuals(candidates, sample) < tolerance).sum(axis=1)
    best = candidates[votes.argmax()]
    for _ in range(3):
        kept = normal[_residuals(best[None], normal)[0] < tolerance]
        if len(kept) < _MIN_POINTS:
            return None
        refined = _least_squares(kept, circle=circle)
        if not _plausible(refined, height / scale, width / scale)[0]:
            return None
        best = refined[0]
    x, y, radius_x, radius_y = best * scale
    return Ellipse(float(x + origin[0]), float(y + origin[1]), float(radius_x), float(radius_y))


def _design(points: NDArray[np.float64], *, circle: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns and right-hand side of x^2 + q y^2 = a x + b y + c, with q = 1 for a circle."""
    x, y = points[..., 0], points[..., 1]
    if circle:
        return np.stack([x, y, np.ones_like(x)], axis=-1), x**2 + y**2
    return np.stack([x, y, np.ones_like(x), -(y**2)], axis=-1), x**2


def _parameters(solution: NDArray[np.float64], *, circle: bool) -> NDArray[np.float64]:
    """Coefficients (N, 3 or 4) to (N, 4) centre x, centre y, radius x, radius y; NaN where no ellipse."""
    a, b, c = solution[:, 0], solution[:, 1], solution[:, 2]
    q = np.ones_like(a) if circle else solution[:, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = a / 2, b / (2 * q)
        square = c + x**2 + q * y**2
        return np.stack([x, y, np.sqrt(square), np.sqrt(square / q)], axis=1)


def _solve_minimal(samples: NDArray[np.float64], *, circle: bool) -> NDArray[np.float64]:
    matrix, right = _design(samples, circle=circle)
    regular = np.abs(np.linalg.det(matrix)) > 1e-9
    if not regular.any():
        return np.empty((0, 4))
    solution = np.linalg.solve(matrix[regular], right[regular][..., None])[..., 0]
    return _parameters(solution, circle=circle)


def _least_squares(points: NDArray[np.float64], *, circle: bool) -> NDArray[np.float64]:
    matrix, right = _design(points, circle=circle)
    solution = np.linalg.lstsq(matrix, right, rcond=None)[0]
    return _parameters(np.asarray(solution, np.float64)[None], circle=circle)


def _plausible(candidates: NDArray[np.float64], height: float, width: float) -> NDArray[np.bool_]:
    x, y, radius_x, radius_y = candidates.T
    with np.errstate(invalid="ignore", divide="ignore"):
        squeeze = radius_x / radius_y
        kept = (
            (np.minimum(radius_x, radius_y) > _MIN_RADIUS * min(height, width))
            & (np.maximum(radius_x, radius_y) < _MAX_RADIUS)
            & (np.abs(x) < _MAX_OFFSET * width)
            & (np.abs(y) < _MAX_OFFSET * height)
            & (squeeze < _MAX_SQUEEZE)
            & (squeeze > 1 / _MAX_SQUEEZE)
        )
    return np.asarray(kept)


def _residuals(candidates: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(candidates, points) approximate distance to each ellipse, in the unit of the coordinates."""
    x, y, radius_x, radius_y = (column[:, None] for column in candidates.T)
    distance = np.sqrt(((points[:, 0] - x) / radius_x) ** 2 + ((points[:, 1] - y) / radius_y) ** 2)
    return np.asarray(np.abs(distance - 1) * np.minimum(radius_x, radius_y))
