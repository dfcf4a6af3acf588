"""Retina out of place: detachment, serous dome, epiretinal membrane, macular hole."""

import numpy as np
import numpy.typing as npt

from retizero.phantom.canvas import Colour, outline, smoothstep
from retizero.phantom.fundus import Fundus

_DETACHED: Colour = (0.63, 0.52, 0.37)
_MEMBRANE: Colour = (0.93, 0.86, 0.70)


def retinal_detachment(fundus: Fundus, rng: np.random.Generator, *, extent: float, folds: float) -> None:
    """A grey, billowing sheet: the choroid disappears, vessels turn dark and wavy, folds catch the light."""
    canvas, eye = fundus.canvas, fundus.eye
    bearing = rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 2.3) + np.pi * (rng.random() < 0.2)
    axis = np.array([-np.cos(bearing), -np.sin(bearing)])
    across = canvas.x * np.float32(axis[0]) + canvas.y * np.float32(axis[1])
    along = canvas.y * np.float32(axis[0]) - canvas.x * np.float32(axis[1])
    bow = 0.018 * along * along
    border = (
        across
        + bow
        - np.float32(eye.half_field * (0.62 - extent))
        + canvas.noise(rng, 7, 2) * np.float32(1.2)
    )
    lifted = smoothstep(-0.5, 0.7, border)

    height = canvas.noise(rng, 8.0, 1) * np.float32(1.6) + canvas.noise(rng, 3.4, 2) * np.float32(0.55)
    twist = canvas.noise(rng, 6.0, 1)
    ripple = np.sin(across * np.float32(2.2) + twist * np.float32(2.4)) * smoothstep(
        0.0, 1.4, canvas.noise(rng, 5.0, 1)
    )
    height = (height + np.float32(0.28 * folds) * ripple) * lifted
    slope_y, slope_x = np.gradient(height, 1 / canvas.scale)
    canvas.warp(
        (slope_x * lifted * np.float32(0.20)).astype(np.float32),
        (slope_y * lifted * np.float32(0.20)).astype(np.float32),
    )

    canvas.absorb(lifted * np.float32(0.35), (0.72, 0.74, 0.78))
    grey = np.clip(0.42 + 0.10 * canvas.noise(rng, 4, 2), 0.2, 0.8)
    canvas.cover((lifted * grey).astype(np.float32), _DETACHED)
    light = np.clip((slope_x * 0.6 + slope_y * 0.8) * np.float32(0.17), -0.34, 0.42)
    canvas.colour *= (1 + light * lifted)[..., None]
    crest = smoothstep(1.2, 3.0, np.abs(slope_x * 0.6 + slope_y * 0.8)) * lifted
    canvas.cover((crest * np.float32(0.26)).astype(np.float32), (0.92, 0.86, 0.66))
    foot = np.exp(-(((border - 0.2) / 0.45) ** 2)).astype(np.float32)
    canvas.absorb(foot * np.float32(0.28), (0.6, 0.5, 0.5))
    if rng.random() < 0.5:
        _horseshoe_tear(fundus, rng, axis)


def _horseshoe_tear(fundus: Fundus, rng: np.random.Generator, axis: npt.NDArray[np.float64]) -> None:
    canvas = fundus.canvas
    reach = fundus.eye.half_field * rng.uniform(0.68, 0.8)
    turn = rng.normal(0, 0.25)
    c, s = np.cos(turn), np.sin(turn)
    centre = reach * np.array([axis[0] * c - axis[1] * s, axis[0] * s + axis[1] * c])
    angle = float(np.arctan2(centre[1], centre[0]))
    hole = canvas.blobs([outline(rng, centre, rng.uniform(0.9, 1.5), 0.12, 1.5, angle + np.pi / 2)], 0.06)
    canvas.cover(hole * np.float32(0.88), (0.66, 0.24, 0.13))
    flap = canvas.blobs([outline(rng, centre * 1.03, 0.5, 0.2, 1.6, angle)], 0.07)
    canvas.cover(flap * np.float32(0.7), (0.78, 0.70, 0.55))


def serous_dome(fundus: Fundus, rng: np.random.Generator, *, radius: float) -> None:
    """A round blister of clear fluid in the macula with a reflex along its margin."""
    canvas, eye = fundus.canvas, fundus.eye
    centre = (eye.fovea[0] + rng.normal(0, 0.7), eye.fovea[1] + rng.normal(0, 0.7))
    reach = canvas.distance(centre, rng.uniform(0.85, 1.1)) * (
        1 + np.float32(0.035) * canvas.noise(rng, 3, 2)
    )
    inside = smoothstep(radius + 0.25, radius - 0.25, reach)
    canvas.absorb(inside * np.float32(0.42), (0.72, 0.68, 0.70))
    canvas.cover(inside * np.float32(0.10), (0.85, 0.72, 0.45))
    ring = np.exp(-(((reach - radius) / 0.30) ** 2)) * np.clip(0.6 + 0.35 * canvas.noise(rng, 4), 0.15, 1)
    canvas.cover((ring * np.float32(0.34)).astype(np.float32), (0.97, 0.80, 0.52))
    light = (canvas.y - centre[1] + 0.5 * (canvas.x - centre[0])) / np.float32(radius)
    canvas.colour *= (1 - np.float32(0.07) * light * inside)[..., None]
    dots = (
        outline(rng, np.array(centre) + rng.normal(0, radius * 0.35, 2), rng.uniform(0.06, 0.13), 0.1)
        for _ in range(14)
    )
    canvas.cover(canvas.blobs(dots, 0.03) * np.float32(0.55), (0.98, 0.84, 0.50))


def epiretinal_membrane(fundus: Fundus, rng: np.random.Generator, *, strength: float) -> None:
    """A glistening membrane on the macula that drags the vessels and folds the retina into striae."""
    canvas, eye = fundus.canvas, fundus.eye
    centre = (eye.fovea[0] + rng.normal(0, 1.2), eye.fovea[1] + rng.normal(0, 1.2))
    dx, dy = canvas.x - np.float32(centre[0]), canvas.y - np.float32(centre[1])
    reach = np.hypot(dx, dy)
    pull = np.exp(-((reach / 6.0) ** 2)) * np.float32(0.30 * strength)
    wrinkle = canvas.noise(rng, 1.6, 2) * np.exp(-((reach / 5.5) ** 2)) * np.float32(0.16 * strength)
    canvas.warp((dx * pull + wrinkle).astype(np.float32), (dy * pull - wrinkle).astype(np.float32))

    angle = np.arctan2(dy, dx)
    bent = angle + canvas.noise(rng, 4.0, 1) * np.float32(0.16)
    lines = rng.normal(0, 1, 230)
    striae = np.interp(bent % (2 * np.pi), np.linspace(0, 2 * np.pi, 230), lines).astype(np.float32)
    area = smoothstep(7.5, 2.5, reach * (1 + np.float32(0.22) * canvas.noise(rng, 4, 2)))
    away = smoothstep(0.8, 2.2, reach)
    folds = (
        smoothstep(0.35, 1.7, striae) * area * away * np.clip(0.7 + 0.5 * canvas.noise(rng, 2.5, 2), 0, 1.2)
    )
    sheen = area * np.clip(0.55 + 0.25 * canvas.noise(rng, 2.8, 3), 0, 1)
    canvas.cover((sheen * np.float32(0.30 * strength)).astype(np.float32), _MEMBRANE)
    canvas.cover((folds * np.float32(0.36 * strength)).astype(np.float32), (0.97, 0.90, 0.74))
    canvas.absorb(
        (smoothstep(0.5, 1.8, -striae) * area * away * np.float32(0.3 * strength)).astype(np.float32),
        (0.7, 0.6, 0.55),
    )


def macular_hole(fundus: Fundus, rng: np.random.Generator, *, radius: float) -> None:
    """A punched-out red disc at the fovea inside a grey cuff of fluid, with yellow dots at its base."""
    canvas, eye = fundus.canvas, fundus.eye
    reach = canvas.distance(eye.fovea, rng.uniform(0.92, 1.05)) * (
        1 + np.float32(0.03) * canvas.noise(rng, 1.5, 1)
    )
    cuff = smoothstep(radius * 2.4, radius * 1.2, reach)
    canvas.cover(cuff * np.float32(0.26), (0.76, 0.58, 0.39))
    hole = smoothstep(radius + 0.10, radius - 0.10, reach)
    canvas.cover(hole * np.float32(0.85), (0.42, 0.11, 0.06))
    edge = np.exp(-(((reach - radius - 0.1) / 0.11) ** 2)).astype(np.float32)
    canvas.cover(edge * np.float32(0.18), (0.93, 0.80, 0.58))
    spots = (
        outline(rng, np.array(eye.fovea) + rng.normal(0, radius * 0.4, 2), rng.uniform(0.06, 0.11), 0.1)
        for _ in range(3)
    )
    canvas.cover(canvas.blobs(spots, 0.03) * hole * np.float32(0.4), (0.90, 0.66, 0.32))
