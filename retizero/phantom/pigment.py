"""Pigment gained and lost: atrophy, laser scars, bone spicules, naevus, clumps, lacquer cracks."""

import numpy as np
import numpy.typing as npt

from retizero.phantom.canvas import Array, Colour, outline, smoothstep
from retizero.phantom.fundus import Fundus

_BARE: Colour = (0.93, 0.74, 0.48)
_WHITE_SCAR: Colour = (0.95, 0.86, 0.62)
_MELANIN: Colour = (0.24, 0.22, 0.26)
_SLATE: Colour = (0.56, 0.62, 0.74)


def pigment_clumps(fundus: Fundus, rng: np.random.Generator, *, count: float, spread: float = 3.0) -> None:
    """Small dark clumps of pigment in the macula."""
    places = np.array(fundus.eye.fovea) + rng.normal(0, spread * 0.6, (round(count), 2))
    shapes = (outline(rng, p, rng.uniform(0.10, 0.32), 0.3, 1.3, rng.uniform(0, np.pi)) for p in places)
    fundus.canvas.absorb(fundus.canvas.blobs(shapes, 0.06) * np.float32(0.6), _MELANIN)


def geographic_atrophy(fundus: Fundus, rng: np.random.Generator, *, radius: float) -> None:
    """A sharp, scalloped island without pigment epithelium in the macula; choroidal vessels show in it."""
    eye = fundus.eye
    shapes = [outline(rng, eye.fovea, radius, 0.16, rng.uniform(1.0, 1.4), rng.uniform(-0.4, 0.4))]
    for _ in range(int(rng.integers(2, 6))):
        angle = rng.uniform(0, 2 * np.pi)
        spot = (eye.fovea[0] + radius * 1.15 * np.cos(angle), eye.fovea[1] + radius * 1.05 * np.sin(angle))
        shapes.append(outline(rng, spot, radius * rng.uniform(0.2, 0.45), 0.18))
    _bare(fundus, rng, fundus.canvas.blobs(shapes, 0.07), 0.80, _BARE)


def patchy_atrophy(fundus: Fundus, rng: np.random.Generator, *, count: float, radius: float = 1.6) -> None:
    """White patches of chorioretinal atrophy around the posterior pole with clumped pigment."""
    eye = fundus.eye
    places = fundus.places(rng, round(count), eye.fovea, (0.5, 9.5))
    shapes = [
        outline(rng, p, radius * float(rng.lognormal(-0.1, 0.45)), 0.25, 1.3, rng.uniform(0, np.pi))
        for p in places
    ]
    mask = fundus.canvas.blobs(shapes, 0.09)
    _bare(fundus, rng, mask, 0.92, _WHITE_SCAR)
    rim = (
        fundus.canvas.soften(mask, 0.3) * (1 - mask) * smoothstep(0.4, 1.4, fundus.canvas.noise(rng, 1.3, 2))
    )
    fundus.canvas.absorb(np.clip(rim * np.float32(1.6), 0, 0.85).astype(np.float32), _MELANIN)


def lacquer_cracks(fundus: Fundus, rng: np.random.Generator, *, count: float) -> None:
    """Fine, branching yellow lines across the macula: breaks of Bruch's membrane."""
    paths = []
    for _ in range(round(count)):
        start = np.array(fundus.eye.fovea) + rng.normal(0, 2.2, 2)
        heading = rng.normal(0, 0.5) + np.cumsum(rng.normal(0, 0.22, 22))
        points = start + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * 0.2, axis=0)
        paths.append((points, np.linspace(0.16, 0.06, 22)))
    fundus.canvas.cover(fundus.canvas.strokes(paths, 0.06) * np.float32(0.42), _BARE)


def laser_scars(fundus: Fundus, rng: np.random.Generator, *, spacing: float, age: float = 0.6) -> None:
    """Burns of panretinal photocoagulation in a rough grid outside the arcades, old ones dark inside."""
    canvas, eye = fundus.canvas, fundus.eye
    steps = np.arange(-26, 26, spacing)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).astype(np.float64)
    grid[1::2, :, 0] += spacing / 2
    places = grid.reshape(-1, 2) + rng.normal(0, spacing * 0.2, (grid.shape[0] * grid.shape[1], 2))
    macula = np.hypot((places[:, 0] - eye.fovea[0] - 2.0) / 1.25, places[:, 1] - eye.fovea[1])
    away = np.hypot(places[:, 0] - eye.disc[0], places[:, 1] - eye.disc[1])
    keep = (
        (macula > 8.8)
        & (away > 6.2)
        & (np.hypot(places[:, 0], places[:, 1]) < 27)
        & (rng.random(len(places)) < 0.86)
    )
    places = places[keep]
    radii = rng.uniform(0.38, 0.66, len(places))
    pale = [outline(rng, p, r, 0.2) for p, r in zip(places, radii, strict=True)]
    dark = [
        outline(rng, p + rng.normal(0, 0.12, 2), r * rng.uniform(0.35, 0.8), 0.25)
        for p, r in zip(places, radii, strict=True)
        if rng.random() < age
    ]
    strength = np.clip(0.50 + 0.2 * canvas.noise(rng, 3), 0.2, 0.9)
    canvas.cover((canvas.blobs(pale, 0.09) * strength).astype(np.float32), (0.90, 0.72, 0.44))
    canvas.absorb(canvas.blobs(dark, 0.07) * np.float32(0.78), _MELANIN)


def bone_spicules(fundus: Fundus, rng: np.random.Generator, *, count: float, inner: float = 11.0) -> None:
    """Branching black pigment in the mid-periphery, often along vessels."""
    canvas, eye = fundus.canvas, fundus.eye
    middle = (0.6 * eye.fovea[0] + 0.4 * eye.disc[0], eye.fovea[1])
    paths = []
    for place in fundus.places(rng, round(count), middle, (inner, 30.0)):
        reach = float(rng.lognormal(-0.5, 0.5))
        for angle in rng.uniform(0, 2 * np.pi) + np.cumsum(rng.uniform(0.9, 2.2, int(rng.integers(2, 6)))):
            bend = angle + np.cumsum(rng.normal(0, 0.25, 5))
            points = place + np.cumsum(np.stack([np.cos(bend), np.sin(bend)], axis=1), axis=0) * reach / 5
            paths.append((np.vstack([place, points]), np.linspace(0.24, 0.06, 6)))
    canvas.absorb(canvas.strokes(paths, 0.04) * np.float32(0.85), _MELANIN)


def peripheral_degeneration(
    fundus: Fundus, rng: np.random.Generator, *, strength: float, inner: float = 10.0
) -> None:
    """Grey, moth-eaten pigment epithelium outside the macula."""
    canvas, eye = fundus.canvas, fundus.eye
    middle = (0.6 * eye.fovea[0] + 0.4 * eye.disc[0], eye.fovea[1])
    outside = smoothstep(
        inner * 0.7, inner * 1.35, canvas.distance(middle) * (1 + np.float32(0.1) * canvas.noise(rng, 5, 2))
    )
    moth = np.clip(0.62 + 0.30 * canvas.noise(rng, 1.3, 3), 0, 1)
    canvas.cover((outside * moth * np.float32(0.55 * strength)).astype(np.float32), (0.60, 0.44, 0.30))
    canvas.absorb(outside * (1 - fundus.choroid) * np.float32(0.30 * strength), (0.65, 0.60, 0.60))


def choroidal_naevus(fundus: Fundus, rng: np.random.Generator, *, radius: float) -> None:
    """A flat, slate-grey spot of the choroid with a feathered edge, often with drusen on it."""
    canvas, eye = fundus.canvas, fundus.eye
    places = fundus.places(rng, 12, eye.fovea, (5.5, 13.5), 5.0)
    apart = np.hypot(places[:, 0] - eye.disc[0], places[:, 1] - eye.disc[1]) > radius + eye.disc_radius + 1.0
    places = places[apart]
    centre = places[0] if len(places) else np.array([eye.fovea[0] - 7.0, eye.fovea[1] + 6.0])
    mask = canvas.blobs(
        [outline(rng, centre, radius, 0.10, rng.uniform(1.05, 1.4), rng.uniform(0, np.pi))], 0.38
    )
    mottled = np.clip(0.92 + 0.10 * canvas.noise(rng, 1.2, 2), 0.5, 1)
    canvas.absorb((mask * mottled).astype(np.float32), _SLATE)
    spots = centre + rng.normal(0, radius * 0.42, (int(rng.integers(0, 9)), 2))
    shapes: list[npt.NDArray[np.float64]] = [outline(rng, p, rng.uniform(0.08, 0.16), 0.15) for p in spots]
    canvas.cover(canvas.blobs(shapes, 0.06) * np.float32(0.6), (0.95, 0.76, 0.42))


def fibre_wedge(fundus: Fundus, rng: np.random.Generator, *, width: float) -> None:
    """A wedge of lost nerve fibres from the disc: darker, without sheen."""
    canvas, eye = fundus.canvas, fundus.eye
    dx, dy = canvas.x - eye.disc[0], canvas.y - eye.disc[1]
    reach = np.hypot(dx, dy)
    up = -1.0 if rng.random() < 0.4 else 1.0
    bearing = up * rng.uniform(0.75, 1.0)
    angle = np.arctan2(dy, -dx) + np.float32(0.018 * up) * reach
    wedge = smoothstep(width, width * 0.6, np.abs(angle - np.float32(bearing)))
    fade = smoothstep(eye.disc_radius, eye.disc_radius + 0.8, reach) * np.exp(-((reach / 13) ** 2))
    canvas.absorb((wedge * fade * np.float32(0.6)).astype(np.float32), (0.80, 0.70, 0.68))


def _bare(fundus: Fundus, rng: np.random.Generator, mask: Array, strength: float, colour: Colour) -> None:
    canvas = fundus.canvas
    patchy = np.clip(strength + 0.06 * canvas.noise(rng, 1.5, 2), 0, 0.97)
    canvas.cover((mask * patchy).astype(np.float32), colour)
    canvas.absorb(mask * fundus.choroid * np.float32(0.55), (0.92, 0.56, 0.42))
    edge = np.clip(mask * (1 - mask) * 4, 0, 1) * np.float32(0.25)
    canvas.absorb(edge.astype(np.float32), (0.6, 0.5, 0.5))
