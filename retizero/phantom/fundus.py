"""A fundus while it is painted: the eye, its vessels and the canvas, and the healthy tissue on it."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from retizero.phantom.canvas import Array, Canvas, Colour, smoothstep
from retizero.phantom.eye import Eye
from retizero.phantom.vessels import Vessel

_BLOND: Colour = (0.84, 0.47, 0.27)
_MEDIUM: Colour = (0.72, 0.355, 0.175)
_DARK: Colour = (0.52, 0.245, 0.13)
_ARTERIAL_BLOOD: Colour = (0.85, 0.53, 0.51)
_VENOUS_BLOOD: Colour = (0.68, 0.42, 0.46)


@dataclass
class Fundus:
    """What the painters of lesions work on."""

    canvas: Canvas
    eye: Eye
    vessels: tuple[Vessel, ...]
    choroid: Array = field(init=False)
    """Choroidal vessels, 0 to 1, that show where the pigment epithelium is lost."""

    def trunk(self, name: str, artery: bool) -> Vessel:
        """A main vessel by name, such as ``superior temporal``."""
        return next(v for v in self.vessels if v.trunk == name and v.artery == artery)

    def places(
        self,
        rng: np.random.Generator,
        count: int,
        centre: tuple[float, float],
        spread: tuple[float, float],
        clear_of_fovea: float = 0.0,
    ) -> npt.NDArray[np.float64]:
        """Up to ``count`` random points (N, 2) in a ring around ``centre`` inside the field, off the disc."""
        low, high = spread
        radius = np.sqrt(rng.uniform(low**2, high**2, count * 4))
        angle = rng.uniform(0, 2 * np.pi, count * 4)
        points = np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], axis=1)
        keep = np.hypot(points[:, 0], points[:, 1]) < self.eye.half_field * 0.96
        keep &= (
            np.hypot(points[:, 0] - self.eye.disc[0], points[:, 1] - self.eye.disc[1])
            > self.eye.disc_radius * 1.15
        )
        keep &= np.hypot(points[:, 0] - self.eye.fovea[0], points[:, 1] - self.eye.fovea[1]) >= clear_of_fovea
        return points[keep][:count]


def paint_choroid(fundus: Fundus, rng: np.random.Generator) -> None:
    """The background: pigment epithelium over the choroid, mottled, more or less tessellated."""
    canvas, eye = fundus.canvas, fundus.eye
    p = eye.pigmentation
    low, high, t = (_BLOND, _MEDIUM, p * 2) if p < 0.5 else (_MEDIUM, _DARK, p * 2 - 1)
    for channel in range(3):
        canvas.colour[..., channel] = low[channel] + (high[channel] - low[channel]) * t

    # Choroidal vessels: zero lines of a noise that is stretched towards the vortex veins, outside the macula.
    ribbons = np.zeros((canvas.size, canvas.size), np.float32)
    pole = (0.7 * eye.fovea[0] + 0.3 * eye.disc[0] + rng.normal(0, 1.5), eye.fovea[1] + rng.normal(0, 1.5))
    for spokes, length, width in ((26, 7.0, 0.62), (44, 5.0, 0.55), (70, 4.0, 0.5)):
        warp = canvas.noise(rng, 3.0, 2) * np.float32(0.45)
        lines = np.abs(canvas.radial_noise(rng, pole, spokes, length) + warp)
        ribbons = np.maximum(ribbons, smoothstep(width, 0.05, lines) * np.float32(rng.uniform(0.6, 1.0)))
    fundus.choroid = canvas.soften(ribbons, 0.12)
    macula = smoothstep(3.0, 11.0, canvas.distance(eye.fovea))
    shown = (
        np.float32(eye.tessellation)
        * (0.25 + 0.75 * macula)
        * np.clip(1 + 0.35 * canvas.noise(rng, 14), 0.3, 1.6)
    )
    depth = np.float32(0.75 + 0.3 * p)
    canvas.absorb(shown * (1 - fundus.choroid) * depth, (0.62, 0.45, 0.42))
    canvas.absorb(shown * fundus.choroid * np.float32(0.45), (1.0, 0.76, 0.70))

    mottle = canvas.noise(rng, 7, 3) * np.float32(0.035) + canvas.noise(rng, 0.9, 3) * np.float32(0.022)
    grain = canvas.noise(rng, 0.28, 1) * np.float32(0.014)
    canvas.colour *= (1 + mottle + grain)[..., None]
    canvas.colour[..., 1] *= 1 + canvas.noise(rng, 11, 2) * np.float32(0.035)


def paint_macula(fundus: Fundus, rng: np.random.Generator) -> None:
    """The macula: darker, browner, with a foveal reflex and, in the young, a sheen of the nerve fibres."""
    canvas, eye = fundus.canvas, fundus.eye
    ragged = canvas.distance(eye.fovea) * (1 + np.float32(0.05) * canvas.noise(rng, 2.5, 2))
    strength = np.float32(eye.fovea_contrast)
    canvas.absorb(np.exp(-((ragged / 5.2) ** 2)) * np.float32(0.42) * strength, (0.60, 0.54, 0.52))
    canvas.absorb(np.exp(-((ragged / 2.1) ** 2)) * np.float32(0.66) * strength, (0.56, 0.44, 0.48))
    youth = max(0.0, 1 - 1.5 * eye.age)
    if youth > 0.05:
        ring = np.exp(-(((canvas.distance(eye.fovea, 0.8) - 4.2) / 0.9) ** 2)) * smoothstep(
            -0.6, 1.5, canvas.noise(rng, 3)
        )
        canvas.cover((ring * np.float32(0.16 * youth)).astype(np.float32), (0.95, 0.85, 0.65))
    if eye.fovea_contrast > 0.6:
        spot = (eye.fovea[0] + rng.normal(0, 0.1), eye.fovea[1] + rng.normal(0, 0.1))
        reflex = np.exp(-((canvas.distance(spot) / rng.uniform(0.16, 0.28)) ** 2))
        canvas.cover(reflex * np.float32(rng.uniform(0.1, 0.25) + 0.3 * youth), (0.98, 0.86, 0.70))


def paint_nerve_fibres(fundus: Fundus, rng: np.random.Generator) -> None:
    """The striated sheen of the nerve fibre layer along the arcades, brightest above and below the disc."""
    canvas, eye = fundus.canvas, fundus.eye
    dx, dy = canvas.x - eye.disc[0], canvas.y - eye.disc[1]
    reach = np.hypot(dx, dy)
    angle = np.arctan2(dy, -dx)
    bundles = np.exp(-(((np.abs(angle) - 1.0 - 0.02 * reach) / 0.55) ** 2)) + np.float32(0.25)
    fade = np.exp(-((reach / 8.5) ** 2))
    turns = np.linspace(0, 2 * np.pi, 720).astype(np.float32)
    lines = rng.normal(0, 1, 720)
    striae = np.interp(angle % (2 * np.pi), turns, lines).astype(np.float32)
    sheen = (
        fade
        * bundles
        * (0.65 + 0.12 * striae)
        * np.float32(0.30 * (1.15 - 0.7 * eye.age) * (1 - 0.8 * eye.disc_pallor))
    )
    canvas.cover(np.clip(sheen, 0, 0.5).astype(np.float32), (0.93, 0.70, 0.45))


def paint_vessels(fundus: Fundus, rng: np.random.Generator) -> None:
    """Veins darker and wider, arteries brighter with a light reflex; arteries may nick veins they cross."""
    canvas, eye = fundus.canvas, fundus.eye
    veins = [(v.points, v.widths) for v in fundus.vessels if not v.artery]
    arteries = [(v.points, v.widths) for v in fundus.vessels if v.artery]
    vein = canvas.strokes(reversed(veins), 0.035, 0.30)
    artery = canvas.strokes(reversed(arteries), 0.035, 0.26)
    if eye.nicking:
        banks = canvas.strokes(((p, w * 2.6) for p, w in arteries if w[0] > 0.12), 0.05)
        vein = vein * (1 - np.float32(0.85 * eye.nicking) * banks)
    shade = np.clip(1 + np.float32(0.12) * canvas.noise(rng, 6, 2), 0.7, 1.2)
    shadow = canvas.soften(np.maximum(vein, artery), 0.22)
    canvas.absorb(shadow * np.float32(0.16), (0.80, 0.70, 0.68))
    canvas.absorb(np.clip(vein * shade, 0, 1), _VENOUS_BLOOD)
    canvas.absorb(np.clip(artery * shade, 0, 1), _ARTERIAL_BLOOD)
    for lines, strength, narrow in ((arteries, eye.arterial_reflex, 0.30), (veins, 0.10, 0.22)):
        core = canvas.strokes(((p, w * narrow) for p, w in lines if w.max() > 0.16), 0.03)
        canvas.cover(core * np.float32(strength), (0.96, 0.64, 0.42))
