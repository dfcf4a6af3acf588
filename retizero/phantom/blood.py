"""Blood where it should not be: microaneurysms, haemorrhages of each layer, and new vessels."""

import numpy as np
import numpy.typing as npt

from retizero.phantom.canvas import Array, Colour, outline, smoothstep
from retizero.phantom.eye import fibre_direction
from retizero.phantom.fundus import Fundus
from retizero.phantom.vessels import Vessel

_DOT: Colour = (0.66, 0.38, 0.40)
_BLOT: Colour = (0.56, 0.34, 0.40)
_FLAME: Colour = (0.64, 0.36, 0.38)
_POOL: Colour = (0.50, 0.13, 0.12)
_DEEP: Colour = (0.46, 0.33, 0.36)

Points = npt.NDArray[np.float64]


def microaneurysms(fundus: Fundus, rng: np.random.Generator, *, count: float) -> None:
    """Round red dots of 60 to 110 micrometres, mostly in the posterior pole."""
    places = fundus.places(rng, round(count), fundus.eye.fovea, (1.2, 13.0))
    dots = (outline(rng, place, rng.uniform(0.10, 0.19), 0.05) for place in places)
    fundus.canvas.absorb(fundus.canvas.blobs(dots, 0.03), _DOT)


def blot_haemorrhages(
    fundus: Fundus, rng: np.random.Generator, *, count: float, radius: float = 0.4, reach: float = 17.0
) -> None:
    """Dark red, blurred, irregular haemorrhages of the deep retina."""
    places = fundus.places(rng, round(count), fundus.eye.fovea, (2.0, reach), clear_of_fovea=1.5)
    blots = (
        outline(
            rng,
            place,
            radius * float(rng.lognormal(-0.15, 0.45)),
            0.22,
            rng.uniform(1.0, 1.7),
            rng.uniform(0, np.pi),
        )
        for place in places
    )
    _soak(fundus, rng, fundus.canvas.blobs(blots, 0.11), _BLOT)


def flame_haemorrhages(
    fundus: Fundus, rng: np.random.Generator, *, count: float, length: float = 1.6, reach: float = 11.0
) -> None:
    """Feathered haemorrhages of the nerve fibre layer, along the fibres around the disc."""
    places = fundus.places(rng, round(count), fundus.eye.disc, (fundus.eye.disc_radius * 1.1, reach), 2.5)
    _flames(fundus, rng, places, length)


def vein_territory_haemorrhages(
    fundus: Fundus, rng: np.random.Generator, *, density: float, quadrant: float
) -> None:
    """Flames and blots that fill the sector drained by one vein beyond a crossing; the vein is engorged."""
    eye, canvas = fundus.eye, fundus.canvas
    superior = quadrant < 0.62
    vein = fundus.trunk("superior temporal" if superior else "inferior temporal", artery=False)
    path = vein.points
    start = int(len(path) * rng.uniform(0.10, 0.22))
    sector = path[start : int(len(path) * 0.92)]
    count = int(150 * density)
    foot = sector[rng.integers(0, len(sector), count)]
    inward = np.array(eye.fovea) - foot
    offset = rng.normal(0.12, 0.30, count)[:, None] * inward + rng.normal(0, 1.2, (count, 2))
    places = foot + offset
    away = (eye.fovea[1] - places[:, 1]) * (1 if superior else -1)
    places = places[(away > rng.uniform(-0.6, 0.6)) & _off_disc(fundus, places)]
    split = int(len(places) * 0.6)
    _flames(fundus, rng, places[:split], 2.0)
    blots = (
        outline(rng, p, float(rng.lognormal(-0.9, 0.5)), 0.25, 1.3, rng.uniform(0, np.pi))
        for p in places[split:]
    )
    _soak(fundus, rng, canvas.blobs(blots, 0.13), _BLOT)
    swollen = canvas.strokes([(sector, np.full(len(sector), 0.55))], 0.06)
    canvas.absorb(swollen * np.float32(0.5), (0.66, 0.36, 0.40))


def vein_occlusion_haemorrhages(fundus: Fundus, rng: np.random.Generator, *, density: float) -> None:
    """Flames and blots in all four quadrants, densest around the disc."""
    eye = fundus.eye
    near = fundus.places(rng, int(130 * density), eye.disc, (eye.disc_radius * 1.1, 11.0), 1.2)
    far = fundus.places(rng, int(110 * density), eye.disc, (8.0, 32.0), 1.2)
    _flames(fundus, rng, near, 2.1)
    _flames(fundus, rng, far[: len(far) // 2], 1.6)
    blots = (
        outline(rng, p, float(rng.lognormal(-0.95, 0.5)), 0.25, 1.3, rng.uniform(0, np.pi))
        for p in far[len(far) // 2 :]
    )
    _soak(fundus, rng, fundus.canvas.blobs(blots, 0.12), _BLOT)


def preretinal_haemorrhage(fundus: Fundus, rng: np.random.Generator, *, radius: float) -> None:
    """A pool of blood before the retina: boat shaped, level above, hiding the vessels."""
    canvas, eye = fundus.canvas, fundus.eye
    places = fundus.places(rng, 1, eye.fovea, (5.0, 13.0), 4.0)
    if not len(places):
        return
    x, y = float(places[0][0]), float(places[0][1])
    turn = np.linspace(0, np.pi, 24)
    depth = radius * rng.uniform(0.6, 1.0)
    wave = 1 + 0.07 * np.sin(3 * turn + rng.uniform(0, 6)) + 0.05 * np.sin(7 * turn + rng.uniform(0, 6))
    boat = np.stack([x + radius * wave * np.cos(turn), y + depth * wave * np.sin(turn)], axis=1)
    boat[:, 1] += rng.normal(0, 0.12) * (boat[:, 0] - x)
    mask = canvas.blobs([boat], 0.16)
    canvas.cover(mask * np.float32(0.76), (0.34, 0.07, 0.05))
    level = smoothstep(0.0, depth, canvas.y - y)
    canvas.absorb(mask * level * np.float32(0.35), _POOL)


def subretinal_haemorrhage(fundus: Fundus, rng: np.random.Generator, *, radius: float) -> None:
    """Dark, brownish-red blood under the retina beside the fovea; vessels run over it undisturbed."""
    canvas, eye = fundus.canvas, fundus.eye
    centre = (eye.fovea[0] + rng.normal(0, 0.8), eye.fovea[1] + rng.normal(0, 0.8))
    angle = rng.uniform(0, np.pi)
    parts = [outline(rng, centre, radius, 0.28, rng.uniform(1.0, 1.6), angle)]
    for _ in range(3):
        side = rng.uniform(0, 2 * np.pi)
        spot = (centre[0] + radius * np.cos(side), centre[1] + radius * np.sin(side))
        parts.append(outline(rng, spot, radius * rng.uniform(0.25, 0.55), 0.25))
    mask = canvas.blobs(parts, 0.22)
    thick = np.clip(0.85 + 0.25 * canvas.noise(rng, 1.8, 3), 0.35, 1.0)
    canvas.absorb(mask * thick, _DEEP)


def new_vessels_on_disc(fundus: Fundus, rng: np.random.Generator, *, size: float) -> None:
    """Fine, lacy new vessels that grow from the disc over its margin."""
    eye = fundus.eye
    _tangle(fundus, rng, eye.disc, size, round(26 + 8 * size))


def new_vessels_elsewhere(
    fundus: Fundus, rng: np.random.Generator, *, count: float, size: float = 1.6
) -> None:
    """Tufts of new vessels along the arcades."""
    for place in _along(fundus, rng, round(count), artery=False):
        _tangle(fundus, rng, (float(place[0]), float(place[1])), size, 20)


def _tangle(
    fundus: Fundus, rng: np.random.Generator, centre: tuple[float, float], size: float, count: int
) -> None:
    paths = []
    for _ in range(count):
        angle = rng.uniform(0, 2 * np.pi)
        steps = int(rng.uniform(0.4, 1.3) * size / 0.12)
        turns = np.cumsum(rng.normal(0, 0.28, steps) + 0.06 * rng.choice([-1.0, 1.0]))
        heading = angle + turns
        points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * 0.12, axis=0)
        start = np.array(centre) + rng.normal(0, size * 0.28, 2)
        paths.append((points + start, np.full(steps, rng.uniform(0.07, 0.13))))
    canvas = fundus.canvas
    canvas.absorb(canvas.soften(canvas.strokes(paths), 0.5) * np.float32(0.25), (0.92, 0.60, 0.56))
    canvas.absorb(canvas.strokes(paths, 0.025) * np.float32(0.85), (0.76, 0.38, 0.40))


def _flames(fundus: Fundus, rng: np.random.Generator, places: Points, length: float) -> None:
    if not len(places):
        return
    u, v = fibre_direction(fundus.eye, places[:, 0], places[:, 1])
    paths = []
    for k, place in enumerate(places):
        along, across = np.array([u[k], v[k]]), np.array([-v[k], u[k]])
        long = length * float(np.clip(rng.lognormal(-0.25, 0.45), 0.3, 2.2))
        wide = long * rng.uniform(0.10, 0.22)
        for _ in range(11):
            middle = place + across * rng.normal(0, wide * 0.75) + along * rng.normal(0, long * 0.2)
            half = long * rng.uniform(0.15, 0.6) * along
            bow = across * rng.normal(0, wide * 0.12)
            points = np.stack(
                [middle - half, middle - half * 0.4 + bow, middle + half * 0.4 + bow, middle + half]
            )
            paths.append((points, np.array([0.06, 0.14, 0.06]) * (0.6 + 0.5 * long / 1.6)))
    streaks = fundus.canvas.strokes(paths, 0.06)
    fundus.canvas.absorb(fundus.canvas.soften(streaks, 0.5) * np.float32(0.4), (0.85, 0.62, 0.6))
    _soak(fundus, rng, streaks, _FLAME)


def _soak(fundus: Fundus, rng: np.random.Generator, mask: Array, blood: Colour) -> None:
    """Absorb by blood of uneven depth."""
    depth = np.clip(0.84 + 0.20 * fundus.canvas.noise(rng, 0.8, 2), 0.35, 1.0)
    fundus.canvas.absorb((mask * depth).astype(np.float32), blood)


def _along(fundus: Fundus, rng: np.random.Generator, count: int, artery: bool) -> Points:
    """Points on the main vessels, off the disc and inside the field."""
    trunks: list[Vessel] = [v for v in fundus.vessels if v.trunk and v.artery == artery]
    points = np.concatenate([v.points for v in trunks])
    inside = np.hypot(points[:, 0], points[:, 1]) < fundus.eye.half_field * 0.88
    away = np.hypot(points[:, 0] - fundus.eye.disc[0], points[:, 1] - fundus.eye.disc[1])
    points = points[inside & (away > fundus.eye.disc_radius * 1.8)]
    return np.asarray(points[rng.integers(0, len(points), count)], np.float64)


def _off_disc(fundus: Fundus, points: Points) -> npt.NDArray[np.bool_]:
    away = np.hypot(points[:, 0] - fundus.eye.disc[0], points[:, 1] - fundus.eye.disc[1])
    return np.asarray(away > fundus.eye.disc_radius * 1.1)
