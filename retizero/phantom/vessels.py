"""The retinal vessels: trunks along the arcades that branch, taper and spare the foveal avascular zone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from retizero.phantom.eye import Eye

Points = npt.NDArray[np.float64]

_STEP = 0.35  # degrees
_CELL = 0.4  # degrees
_REACH = 32.0  # degrees
_THINNEST = 0.05  # degrees, about 15 micrometres
_VEIN, _ARTERY = 0.44, 0.34  # degrees at the disc, 125 and 98 micrometres

# Courses from the disc in units of the distance disc-fovea: (towards the fovea, away from the horizontal).
_TEMPORAL = ((0.0, 0.0), (0.07, 0.17), (0.28, 0.42), (0.62, 0.58), (1.0, 0.61), (1.4, 0.52), (2.1, 0.30))
_NASAL = ((0.0, 0.0), (-0.10, 0.15), (-0.34, 0.36), (-0.66, 0.58), (-1.05, 0.80), (-1.7, 1.15))
_MACULAR = ((0.0, 0.0), (0.18, 0.07), (0.42, 0.17), (0.66, 0.17), (0.84, 0.13))


@dataclass(frozen=True)
class Vessel:
    """One unbranched stretch: points (K, 2) and widths (K,) in degrees."""

    points: Points
    widths: npt.NDArray[np.float64]
    artery: bool
    trunk: str = ""
    """Name of a main vessel, such as ``superior temporal``; empty for a branch."""


def grow_vessels(eye: Eye, rng: np.random.Generator) -> tuple[Vessel, ...]:
    """Grow the arterial and the venous tree of an eye."""
    vessels: list[Vessel] = []
    for artery in (False, True):
        vessels += _Tree(eye, rng, artery).grow()
    return tuple(vessels)


class _Tree:
    """One tree while it grows; the grid keeps branches of the same tree from running into each other."""

    def __init__(self, eye: Eye, rng: np.random.Generator, artery: bool) -> None:
        self.eye, self.rng, self.artery = eye, rng, artery
        self.vessels: list[Vessel] = []
        side = int(2 * _REACH / _CELL)
        self.owner = np.full((side, side), -1, np.int32)
        self.calibre = eye.artery_calibre if artery else eye.vein_calibre
        self.waviness = eye.tortuosity * (0.7 if artery else 1.0)

    def grow(self) -> list[Vessel]:
        width = (_ARTERY if self.artery else _VEIN) * self.calibre
        trunks: list[tuple[Points, npt.NDArray[np.float64], int]] = []
        for name, course, up, share in (
            ("superior temporal", _TEMPORAL, -1, 1.0),
            ("inferior temporal", _TEMPORAL, 1, 1.0),
            ("superior nasal", _NASAL, -1, 0.72),
            ("inferior nasal", _NASAL, 1, 0.72),
            ("superior macular", _MACULAR, -1, 0.34),
            ("inferior macular", _MACULAR, 1, 0.34),
        ):
            points = self._course(course, up)
            along = np.linspace(0, 1, len(points))
            widths = width * share * self.rng.uniform(0.88, 1.1) * (1 - 0.62 * along**0.85)
            if self.eye.vein_beading and not self.artery:
                beads = np.sin(np.arange(len(points)) * _STEP * self.rng.uniform(3.0, 4.0))
                widths *= 1 + self.eye.vein_beading * beads
            self._keep(points, widths, name)
            trunks.append((points, widths, len(self.vessels) - 1))
        for points, widths, owner in trunks:
            self._branch_off(points, widths, owner, depth=0)
        return self.vessels

    def _course(self, course: Sequence[tuple[float, float]], up: int) -> Points:
        """A trunk: the standard course, jittered, smoothed and made wavy."""
        rng, disc, fovea = self.rng, np.array(self.eye.disc), np.array(self.eye.fovea)
        axis = fovea - disc
        reach = float(np.hypot(*axis))
        axis = axis / reach
        normal = np.array([axis[1], -axis[0]])  # towards superior in a right eye (axis points to -x)
        normal *= -1 if normal[1] > 0 else 1
        spread, apart = rng.normal(1.0, 0.08), (0.05 if self.artery else -0.05) + rng.normal(0, 0.015)
        knots = []
        for k, (toward, away) in enumerate(course):
            jitter = rng.normal(0, 0.028, 2) * (k > 0)
            away_now = (away * spread - apart * (k > 1)) * -up
            knots.append(disc + reach * ((toward + jitter[0]) * axis + (away_now + jitter[1]) * normal))
        knots[0] = disc + np.array(
            (self.eye.disc_radius * 0.22 + rng.normal(0, 0.3), up * rng.uniform(0.0, 0.9))
        )
        spots = np.array(knots)
        length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(spots, axis=0).T))])
        spline = CubicSpline(length, spots)
        t = np.arange(0, length[-1], _STEP)
        points = np.asarray(spline(t))
        tangent = np.gradient(points, axis=0)
        tangent /= np.hypot(tangent[:, 0], tangent[:, 1])[:, None] + 1e-9
        sideways = np.zeros_like(t)
        for wavelength, size in ((10.0, 0.30), (5.2, 0.10), (2.6, 0.04)):
            wavelength *= rng.uniform(0.8, 1.25)
            sideways += size * rng.normal(0, 0.8) * np.sin(2 * np.pi * t / wavelength + rng.uniform(0, 6.28))
        if self.waviness > 1.5:
            swell = 0.5 + 0.5 * np.sin(2 * np.pi * t / 11 + rng.uniform(0, 6.28))
            sideways += 0.16 * swell * np.sin(2 * np.pi * t / rng.uniform(2.6, 3.4) + rng.uniform(0, 6.28))
        sideways *= self.waviness * np.clip(t / 4, 0, 1)
        points = points + sideways[:, None] * np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
        inside = np.hypot(points[:, 0], points[:, 1]) < _REACH - 3
        return np.asarray(points[: int(np.argmin(inside)) if not inside.all() else len(points)], np.float64)

    def _branch_off(self, points: Points, widths: npt.NDArray[np.float64], owner: int, depth: int) -> None:
        """Send side branches off a finished stretch, alternating sides."""
        rng = self.rng
        side = 1.0 if rng.random() < 0.5 else -1.0
        at = rng.uniform(1.5, 5.0) if depth else self.eye.disc_radius + rng.uniform(0.5, 2.5)
        while (k := int(at / _STEP)) < len(points) - 2:
            heading = np.arctan2(*(points[k + 1] - points[k])[::-1]) + side * rng.uniform(0.5, 1.0)
            width = widths[k] * rng.uniform(0.38, 0.72)
            if width > _THINNEST:
                self._sprout(points[k], float(heading), float(width), owner, depth + 1)
            side = -side if rng.random() < 0.8 else side
            at += rng.uniform(1.4, 4.2) + 3.5 * widths[k]
        if widths[-1] > 1.6 * _THINNEST and depth < 3:  # end in a fork
            heading = np.arctan2(*(points[-1] - points[-2])[::-1])
            for turn in (-1, 1):
                fork = float(heading + turn * rng.uniform(0.25, 0.5))
                self._sprout(points[-1], fork, float(widths[-1] * 0.8), owner, depth + 1)

    def _sprout(self, start: Points, heading: float, width: float, parent: int, depth: int) -> None:
        """Grow one branch step by step until it is too thin, leaves the field or meets its own tree."""
        rng, fovea, disc = self.rng, self.eye.fovea, self.eye.disc
        me = len(self.vessels)
        x, y = float(start[0]), float(start[1])
        to_fovea = math.atan2(fovea[1] - y, fovea[0] - x)
        near = x < disc[0] - 2 and math.hypot(x - fovea[0], y - fovea[1]) < 13
        inward = near and abs(_wrap(to_fovea - heading)) < 1.25
        points, widths = [(x, y)], [width]
        bend = 0.0
        longest = int((6 + 55 * width) * rng.uniform(0.7, 1.3) / _STEP)
        stop = float(rng.uniform(1.5, 2.6))
        noise = rng.normal(0, 0.026 * self.waviness**0.8, longest).tolist()
        for k in range(longest):
            if inward:
                goal = math.atan2(fovea[1] - y, fovea[0] - x)
            elif x < disc[0] - 1:
                goal = math.atan2(y - fovea[1], x - fovea[0] - 3.0)
            else:
                goal = math.atan2(y - disc[1], x - disc[0])
            bend = 0.82 * bend + noise[k]
            heading += bend + 0.045 * min(1.0, max(-1.0, _wrap(goal - heading)))
            x, y = x + _STEP * math.cos(heading), y + _STEP * math.sin(heading)
            width *= 1 - 0.013
            if width < _THINNEST or math.hypot(x, y) > _REACH - 3:
                break
            if math.hypot(x - fovea[0], y - fovea[1]) < stop:
                break
            if math.hypot(x - disc[0], y - disc[1]) < self.eye.disc_radius * 1.1:
                break
            if k > 3 and self._taken(x, y, heading, me):
                break
            points.append((x, y))
            widths.append(width)
        if len(points) < 4:
            return
        path, taper = np.array(points), np.array(widths)
        self._keep(path, taper, "")
        if depth < 3:
            self._branch_off(path, taper, me, depth)

    def _keep(self, points: Points, widths: npt.NDArray[np.float64], trunk: str) -> None:
        for x, y in points:
            self.owner[self._cell(x, y)] = len(self.vessels)
        self.vessels.append(Vessel(points, widths, self.artery, trunk))

    def _taken(self, x: float, y: float, heading: float, me: int) -> bool:
        """Whether another branch of this tree runs here or a little ahead."""
        for ahead in (0.0, 0.55):
            holder = self.owner[self._cell(x + ahead * math.cos(heading), y + ahead * math.sin(heading))]
            if holder >= 0 and holder != me:
                return True
        return False

    @staticmethod
    def _cell(x: float, y: float) -> tuple[int, int]:
        return int((y + _REACH) / _CELL), int((x + _REACH) / _CELL)


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi
