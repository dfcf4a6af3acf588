"""Bright matter: drusen, exudates, cotton-wool spots, myelinated fibres, ischaemic whitening, fibrosis."""

import numpy as np

from retizero.phantom.canvas import Colour, outline, smoothstep
from retizero.phantom.eye import fibre_direction
from retizero.phantom.fundus import Fundus

_DRUSEN: Colour = (0.96, 0.78, 0.44)
_EXUDATE: Colour = (1.0, 0.90, 0.50)
_COTTON: Colour = (0.93, 0.82, 0.62)
_MYELIN: Colour = (0.95, 0.88, 0.72)
_OEDEMA: Colour = (0.88, 0.69, 0.43)
_FIBROUS: Colour = (0.90, 0.84, 0.68)


def drusen(
    fundus: Fundus,
    rng: np.random.Generator,
    *,
    count: float,
    radius: float,
    spread: float = 6.0,
    softness: float = 0.08,
) -> None:
    """Yellow deposits under the pigment epithelium, clustered around the fovea; soft ones run together."""
    fovea = fundus.eye.fovea
    places = np.array(fovea) + rng.normal(0, spread * 0.55, (round(count), 2))
    away = np.hypot(places[:, 0] - fundus.eye.disc[0], places[:, 1] - fundus.eye.disc[1])
    places = places[away > fundus.eye.disc_radius * 1.2]
    shapes = [outline(rng, p, radius * float(rng.lognormal(-0.1, 0.4)), 0.12) for p in places]
    canvas = fundus.canvas
    mask = canvas.blobs(shapes, softness)
    canvas.absorb(canvas.soften(mask, 0.25) * np.float32(0.22), (0.80, 0.70, 0.70))
    canvas.cover(mask * np.float32(0.58), _DRUSEN)


def hard_exudates(fundus: Fundus, rng: np.random.Generator, *, clusters: float, each: float = 22.0) -> None:
    """Waxy, sharp-edged yellow deposits in clusters and rings around leaking microaneurysms."""
    canvas, eye = fundus.canvas, fundus.eye
    shapes, dots = [], []
    for centre in fundus.places(rng, round(clusters), eye.fovea, (1.8, 8.5), 1.5):
        ring = rng.uniform(0.6, 1.7)
        dots.append(outline(rng, centre, 0.16, 0.05))
        start, arc = rng.uniform(0, 2 * np.pi), rng.uniform(2.0, 6.2)
        for _ in range(int(rng.uniform(0.5, 1.3) * each)):
            angle, away = start + rng.uniform(0, arc), ring * rng.normal(1, 0.18)
            spot = centre + away * np.array([np.cos(angle), np.sin(angle)])
            shapes.append(
                outline(
                    rng,
                    spot,
                    float(rng.lognormal(-2.05, 0.45)),
                    0.25,
                    rng.uniform(1, 1.8),
                    rng.uniform(0, np.pi),
                )
            )
    canvas.cover(canvas.blobs(shapes, 0.025) * np.float32(0.8), _EXUDATE)
    canvas.absorb(canvas.blobs(dots, 0.03), (0.66, 0.30, 0.32))


def macular_star(fundus: Fundus, rng: np.random.Generator, *, strength: float) -> None:
    """Exudates in a star around the fovea, along Henle's fibres; fuller on the side of the disc."""
    canvas, fovea = fundus.canvas, fundus.eye.fovea
    shapes = []
    for angle in rng.uniform(0, 2 * np.pi, int(34 * strength)):
        if np.cos(angle) < 0.1 and rng.random() < 0.45:
            continue
        for away in np.arange(0.8, rng.uniform(1.8, 3.6), 0.32):
            turn = angle + rng.normal(0, 0.03)
            spot = (fovea[0] + away * np.cos(turn), fovea[1] + away * np.sin(turn))
            shapes.append(outline(rng, spot, 0.09 * float(rng.lognormal(0, 0.3)), 0.2, 2.2, float(turn)))
    canvas.cover(canvas.blobs(shapes, 0.03) * np.float32(0.85), _EXUDATE)


def cotton_wool_spots(fundus: Fundus, rng: np.random.Generator, *, count: float, reach: float = 11.0) -> None:
    """Fluffy white infarcts of the nerve fibre layer that lie across the fibres near the arcades."""
    canvas, eye = fundus.canvas, fundus.eye
    places = fundus.places(rng, round(count), eye.disc, (eye.disc_radius * 1.5, reach), 3.0)
    if not len(places):
        return
    u, v = fibre_direction(eye, places[:, 0], places[:, 1])
    shapes = [
        outline(
            rng,
            p,
            rng.uniform(0.5, 0.95),
            0.22,
            rng.uniform(1.1, 1.9),
            float(np.arctan2(v[k], u[k]) + np.pi / 2),
        )
        for k, p in enumerate(places)
    ]
    fluff = np.clip(0.9 + 0.22 * canvas.noise(rng, 0.6, 2), 0, 1)
    mask = canvas.blobs(shapes, 0.20) * fluff
    canvas.cover((mask * np.float32(0.76)).astype(np.float32), _COTTON)


def myelinated_fibres(
    fundus: Fundus, rng: np.random.Generator, *, length: float, patches: float = 1.0
) -> None:
    """White, feathered patches that follow the nerve fibres from the disc and hide the vessels."""
    canvas, eye = fundus.canvas, fundus.eye
    paths = []
    for _ in range(round(patches)):
        bearing = rng.choice([-1.0, 1.0]) * rng.uniform(0.7, 1.9)
        spread = rng.uniform(0.25, 0.5)
        for _ in range(260):
            angle = np.pi + bearing + rng.normal(0, spread * 0.6)
            start = eye.disc_radius * rng.uniform(0.92, 1.35) + max(0.0, rng.normal(0, 0.25 * length))
            x, y = eye.disc[0] + start * np.cos(angle), eye.disc[1] + start * np.sin(angle)
            points = [(x, y)]
            centred = np.exp(-(((angle - np.pi - bearing) / spread) ** 2))
            for _ in range(int(length * rng.uniform(0.12, 1.0) * (0.35 + 0.65 * centred) / 0.3)):
                u, v = fibre_direction(eye, np.array([x]), np.array([y]))
                x, y = x + 0.3 * float(u[0]), y + 0.3 * float(v[0])
                points.append((x, y))
            if len(points) > 2:
                paths.append((np.array(points), np.linspace(0.16, 0.05, len(points))))
    mask = canvas.strokes(paths, 0.045)
    body = canvas.soften(mask, 0.3)
    mask = np.clip(mask * np.float32(0.5) + smoothstep(0.15, 1.0, body) * np.float32(0.42), 0, 0.86)
    canvas.cover(mask.astype(np.float32), _MYELIN)


def ischaemic_whitening(
    fundus: Fundus, rng: np.random.Generator, *, strength: float, radius: float = 9.5
) -> None:
    """Milky swelling of the inner retina in the posterior pole; the thin fovea stays a cherry-red spot."""
    canvas, eye = fundus.canvas, fundus.eye
    ragged = 1 + np.float32(0.06) * canvas.noise(rng, 4, 2)
    reach = np.hypot((canvas.x - eye.fovea[0] - 1.5) / 1.25, canvas.y - eye.fovea[1]) * ragged
    pole = smoothstep(radius * 1.25, radius * 0.5, reach.astype(np.float32))
    cherry = smoothstep(0.9, 2.1, canvas.distance(eye.fovea))
    off_disc = smoothstep(eye.disc_radius * 0.9, eye.disc_radius * 1.2, canvas.distance(eye.disc))
    canvas.cover((pole * cherry * off_disc * np.float32(strength)).astype(np.float32), _OEDEMA)
    canvas.absorb((1 - cherry) * np.float32(0.85), (0.72, 0.40, 0.42))


def fibrous_membrane(fundus: Fundus, rng: np.random.Generator, *, size: float) -> None:
    """Grey-white fibrovascular tissue along an arcade."""
    canvas = fundus.canvas
    name = "superior temporal" if rng.random() < 0.5 else "inferior temporal"
    path = fundus.trunk(name, artery=False).points
    first = int(len(path) * rng.uniform(0.1, 0.3))
    part = path[first : first + int(size / 0.35) + 4]
    mask = canvas.strokes([(part, np.linspace(1.6, 0.6, len(part)))], 0.4)
    mask *= np.clip(0.55 + 0.35 * canvas.noise(rng, 0.9, 3), 0, 0.9)
    canvas.cover(mask.astype(np.float32), _FIBROUS)


def disciform_scar(fundus: Fundus, rng: np.random.Generator, *, radius: float) -> None:
    """A yellow-grey membrane or scar under the macula."""
    canvas, eye = fundus.canvas, fundus.eye
    centre = (eye.fovea[0] + rng.normal(0, 0.6), eye.fovea[1] + rng.normal(0, 0.6))
    mask = canvas.blobs([outline(rng, centre, radius, 0.2, 1.25, rng.uniform(0, np.pi))], 0.3)
    mottled = np.clip(0.7 + 0.22 * canvas.noise(rng, 1.2, 3), 0.1, 0.92)
    canvas.cover((mask * mottled).astype(np.float32), (0.80, 0.70, 0.44))
    canvas.absorb(mask * smoothstep(0.7, 1.8, canvas.noise(rng, 1.5, 2)) * np.float32(0.6), (0.5, 0.42, 0.40))
