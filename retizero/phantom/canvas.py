"""The canvas of a phantom: degrees on the retina, soft masks, and how matter changes colour."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Colour = tuple[float, float, float]

FIELD_RADIUS = 0.49
"""Radius of the field of view as a fraction of the side of the picture."""

_FINE = 2  # masks are drawn at twice the size of the canvas and averaged down
_SUB = 4  # fractional bits of the coordinates that OpenCV draws with


class Canvas:
    """A square picture in degrees of visual angle: origin in the middle of the field, x right, y down.

    Attributes:
        size: Side in pixels.
        scale: Pixels per degree.
        x: (S, S) float32, degrees.
        y: (S, S) float32, degrees.
        colour: (S, S, 3) float32 RGB reflectance, 0 to 1.
    """

    def __init__(self, size: int, half_field: float) -> None:
        self.size = size
        self.scale = FIELD_RADIUS * size / half_field
        axis = ((np.arange(size, dtype=np.float32) + 0.5 - size / 2) / self.scale).astype(np.float32)
        self.x, self.y = (np.ascontiguousarray(grid) for grid in np.meshgrid(axis, axis))
        self.colour: Array = np.zeros((size, size, 3), np.float32)

    def absorb(self, mask: Array, transmission: Colour) -> None:
        """Filter the light by a pigment such as blood: where ``mask`` is 1, ``transmission`` passes."""
        for channel, passed in enumerate(transmission):
            self.colour[..., channel] *= 1.0 - mask * np.float32(1.0 - passed)

    def cover(self, mask: Array, colour: Colour) -> None:
        """Lay opaque matter such as an exudate over the picture."""
        for channel, value in enumerate(colour):
            plane = self.colour[..., channel]
            plane += mask * (np.float32(value) - plane)

    def distance(self, point: tuple[float, float], stretch: float = 1.0) -> Array:
        """Distance from a point in degrees, (S, S); ``stretch`` above 1 makes circles taller than wide."""
        return np.asarray(np.hypot(self.x - point[0], (self.y - point[1]) / stretch), np.float32)

    def noise(self, rng: np.random.Generator, wavelength: float, octaves: int = 1) -> Array:
        """Smooth noise of mean 0 and standard deviation about 1; ``wavelength`` in degrees."""
        total = np.zeros((self.size, self.size), np.float32)
        strength, power = 1.0, 0.0
        for _ in range(octaves):
            cells = max(int(np.ceil(self.size / (wavelength * self.scale))) + 3, 4)
            grid = rng.standard_normal((cells, cells)).astype(np.float32)
            step = wavelength * self.scale
            matrix = np.array([[1 / step, 0, 1 + rng.random()], [0, 1 / step, 1 + rng.random()]], np.float32)
            total += np.float32(strength) * np.asarray(
                cv2.warpAffine(
                    grid,
                    matrix,
                    (self.size, self.size),
                    flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                    borderMode=cv2.BORDER_REFLECT,
                ),
                np.float32,
            )
            power += strength**2
            strength, wavelength = strength * 0.55, wavelength * 0.5
        return (total / np.float32(0.7 * np.sqrt(power))).astype(np.float32)

    def radial_noise(
        self, rng: np.random.Generator, centre: tuple[float, float], spokes: int, length: float
    ) -> Array:
        """Noise stretched away from a point: ``spokes`` cells around it, ``length`` degrees along them."""
        rows = int(np.ceil(2 * self.size / self.scale / length)) + 4
        grid = rng.standard_normal((rows, spokes)).astype(np.float32)
        grid = np.concatenate([grid[:, -3:], grid, grid[:, :3]], axis=1)
        dx, dy = self.x - np.float32(centre[0]), self.y - np.float32(centre[1])
        turn = np.arctan2(dy, dx) / np.float32(2 * np.pi) + np.float32(0.5)
        column = turn * np.float32(spokes) + np.float32(2.5)
        row = np.hypot(dx, dy) / np.float32(length) + np.float32(1)
        return np.asarray(cv2.remap(grid, column, row, cv2.INTER_CUBIC), np.float32) / np.float32(0.7)

    def soften(self, mask: Array, blur: float) -> Array:
        """Blur a mask by a Gaussian of ``blur`` degrees."""
        sigma = blur * self.scale
        if sigma < 0.2:
            return mask
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)

    def blobs(self, outlines: Iterable[npt.NDArray[np.float64]], blur: float = 0.0) -> Array:
        """Fill closed outlines, each (K, 2) in degrees; a soft mask (S, S), 0 to 1."""
        fine = self._fine()
        for outline in outlines:
            cv2.fillPoly(fine, [self._fixed(outline)], 255, cv2.LINE_AA, _SUB)
        return self.soften(self._down(fine), blur)

    def strokes(
        self,
        paths: Iterable[tuple[npt.NDArray[np.float64], Sequence[float] | npt.NDArray[np.float64]]],
        blur: float = 0.0,
        solid: float = 0.0,
    ) -> Array:
        """Draw lines, each (points (K, 2), widths (K,)) in degrees.

        Lines thinner than a pixel, or than ``solid`` degrees, fade.
        """
        fine = self._fine()
        full = max(1e-6, solid * self.scale * _FINE)
        for points, widths in paths:
            fixed = self._fixed(points)
            thickness = np.asarray(widths, np.float64) * self.scale * _FINE
            for k in range(len(fixed) - 1):
                wide = thickness[k]
                value = int(255 * min(1.0, wide, (wide / full) ** 0.7))
                start, end = fixed[k].tolist(), fixed[k + 1].tolist()
                cv2.line(fine, start, end, value, max(1, round(wide)), cv2.LINE_AA, _SUB)
        return self.soften(self._down(fine), blur)

    def warp(self, shift_x: Array, shift_y: Array) -> None:
        """Move the picture: what was at ``x + shift_x, y + shift_y`` (degrees) comes to x, y."""
        column = (self.x + shift_x) * np.float32(self.scale) + np.float32(self.size / 2 - 0.5)
        row = (self.y + shift_y) * np.float32(self.scale) + np.float32(self.size / 2 - 0.5)
        moved = cv2.remap(self.colour, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        self.colour = np.asarray(moved, np.float32)

    def _fine(self) -> npt.NDArray[np.uint8]:
        return np.zeros((self.size * _FINE, self.size * _FINE), np.uint8)

    def _down(self, fine: npt.NDArray[np.uint8]) -> Array:
        small = cv2.resize(fine, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32) / np.float32(255)

    def _fixed(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        pixels = (np.asarray(points) * self.scale + self.size / 2) * _FINE - 0.5
        return np.asarray(np.round(pixels * 2**_SUB), np.int32)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Rise smoothly from 0 at ``low`` to 1 at ``high`` (or fall, when ``low`` is above ``high``)."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def outline(
    rng: np.random.Generator,
    centre: tuple[float, float] | npt.NDArray[np.float64],
    radius: float,
    roughness: float = 0.15,
    elongation: float = 1.0,
    angle: float = 0.0,
) -> npt.NDArray[np.float64]:
    """An irregular outline (28, 2) in degrees, stretched by ``elongation`` along ``angle``, radians."""
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    reach = np.ones_like(turn)
    for order in range(2, 7):
        reach += roughness * rng.normal() / order**0.6 * np.cos(order * turn + rng.uniform(0, 2 * np.pi))
    reach = radius * np.clip(reach, 0.3, 2.0)
    along, across = reach * np.cos(turn) * np.sqrt(elongation), reach * np.sin(turn) / np.sqrt(elongation)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([centre[0] + along * c - across * s, centre[1] + along * s + across * c], axis=1)
