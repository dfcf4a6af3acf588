"""The optic disc: rim, cup, crescent of atrophy, pallor and swelling."""

import numpy as np

from retizero.phantom.canvas import Array, Colour, smoothstep
from retizero.phantom.fundus import Fundus

_RIM: Colour = (0.90, 0.54, 0.30)
_CUP: Colour = (1.0, 0.88, 0.62)
_PALE: Colour = (0.89, 0.79, 0.60)
_SCLERA: Colour = (0.96, 0.82, 0.56)
_SWOLLEN: Colour = (0.90, 0.49, 0.32)


def paint_disc(fundus: Fundus, rng: np.random.Generator) -> None:
    """The disc under the vessels, with the crescent beside it and the glow around it."""
    canvas, eye = fundus.canvas, fundus.eye
    rough = 1 + np.float32(0.025) * canvas.noise(rng, 2.5, 2)
    reach = _disc_distance(fundus) * rough
    radius = eye.disc_radius
    _crescent(fundus, rng, reach)
    glow = np.exp(-((np.maximum(reach - radius, 0) / 2.2) ** 2)) * np.float32(0.16)
    canvas.cover(glow, (0.97, 0.66, 0.40))

    edge = 0.16 + 1.1 * eye.disc_swelling
    body = smoothstep(radius + edge, radius - edge, reach)
    rim = tuple(a + (b - a) * eye.disc_pallor for a, b in zip(_RIM, _PALE, strict=True))
    rim_shade = 1.0 + 0.10 * (1 - eye.pigmentation)
    canvas.cover(body, (rim[0] * rim_shade, rim[1] * rim_shade, rim[2] * rim_shade))
    nasal = (
        body
        * smoothstep(-0.2, 1.0, (canvas.x - eye.disc[0]) / radius)
        * np.float32(0.30 * (1 - eye.disc_pallor))
    )
    canvas.absorb(nasal, (0.96, 0.74, 0.66))

    cup_radius = radius * eye.cup_ratio
    shift = (eye.disc[0] - 0.10 * radius * (1 - eye.cup_ratio), eye.disc[1] + rng.normal(0, 0.05))
    cup_reach = canvas.distance(shift, 1.08) * rough
    soft = 0.22 + 0.35 * (1 - eye.cup_ratio) + eye.disc_swelling
    cup = smoothstep(cup_radius + soft, cup_radius - soft * 0.8, cup_reach) * body
    canvas.cover(cup * np.float32(0.9 * (1 - 0.8 * min(1.0, eye.disc_swelling))), _CUP)
    pores = smoothstep(0.5, 1.5, canvas.noise(rng, 0.35)) * cup * np.float32(0.16 * eye.cup_ratio)
    canvas.absorb(pores, (0.80, 0.72, 0.66))
    if eye.disc_swelling < 0.2:
        border = np.exp(-(((reach - radius - 0.15) / 0.22) ** 2)) * smoothstep(
            -0.5, 1.2, canvas.noise(rng, 3.0)
        )
        canvas.absorb(border * np.float32(0.30 * (0.4 + eye.pigmentation)), (0.62, 0.55, 0.52))


def paint_swelling(fundus: Fundus, rng: np.random.Generator) -> None:
    """Swollen nerve fibres over the vessels: blurred, striated margin; circular folds beside the disc."""
    canvas, eye = fundus.canvas, fundus.eye
    swelling = eye.disc_swelling
    if swelling < 0.05:
        return
    reach = _disc_distance(fundus)
    angle = np.arctan2(canvas.y - eye.disc[1], canvas.x - eye.disc[0]) % (2 * np.pi)
    lines = rng.normal(0, 1, 260)
    striae = np.interp(angle, np.linspace(0, 2 * np.pi, 260), lines).astype(np.float32)
    outer = eye.disc_radius * (1.2 + 0.6 * swelling)
    ring = smoothstep(
        outer + 1.0, outer - 0.9, reach + 0.22 * striae + 0.45 * canvas.noise(rng, 2.5, 2)
    ) * smoothstep(0.3, 1.5, reach)
    patchy = np.clip(0.8 + 0.3 * canvas.noise(rng, 1.6, 2) + 0.12 * striae, 0, 1.2)
    canvas.cover(np.clip(ring * patchy * np.float32(0.72 * swelling), 0, 0.8).astype(np.float32), _SWOLLEN)
    canvas.cover(
        (ring * smoothstep(0.4, 1.6, striae) * np.float32(0.25 * swelling)).astype(np.float32),
        (0.97, 0.80, 0.60),
    )
    folds = np.sin((reach - outer) * 5.0) * np.exp(-(((reach - outer - 1.2) / 1.1) ** 2))
    temporal = smoothstep(0.0, 0.9, -(canvas.x - eye.disc[0]) / (reach + 0.1))
    canvas.colour *= (1 + np.float32(0.05 * swelling) * folds * temporal)[..., None]


def _disc_distance(fundus: Fundus) -> Array:
    """Distance from the disc's centre, scaled so that the outline of a tilted disc is a circle."""
    canvas, eye = fundus.canvas, fundus.eye
    narrow = 1.06 + 0.45 * eye.disc_tilt
    return np.asarray(np.hypot((canvas.x - eye.disc[0]) * narrow, canvas.y - eye.disc[1]), np.float32)


def _crescent(fundus: Fundus, rng: np.random.Generator, reach: Array) -> None:
    """Atrophy beside the disc: bare sclera with choroidal vessels, a pigmented outer border."""
    canvas, eye = fundus.canvas, fundus.eye
    if eye.crescent < 0.15:
        return
    away = np.hypot(canvas.x - eye.disc[0], canvas.y - eye.disc[1]) + 0.1
    temporal = smoothstep(-0.1, 1.0, np.asarray((eye.disc[0] - canvas.x) / away, np.float32))
    around: Array = np.maximum(temporal, np.float32(eye.crescent_all_round))
    ragged = 1 + np.float32(0.20) * canvas.noise(rng, 2.2, 3)
    border = np.asarray(eye.disc_radius + np.float32(eye.crescent) * around * ragged, np.float32)
    bare = smoothstep(0.25, -0.25, reach - border) * smoothstep(0.02, 0.2, around)
    canvas.cover(bare * np.float32(0.78), _SCLERA)
    canvas.absorb(bare * fundus.choroid * np.float32(0.35), (0.90, 0.55, 0.42))
    rim = (
        np.exp(-(((reach - border - 0.2) / 0.4) ** 2))
        * around
        * smoothstep(-0.3, 1.2, canvas.noise(rng, 2.0))
    )
    canvas.absorb(rim * np.float32(0.45), (0.50, 0.42, 0.42))
