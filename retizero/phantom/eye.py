"""The eye that a phantom photographs: where things lie and what kind of patient it belongs to."""

import zlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

Laterality = Literal["right", "left"]


@dataclass(frozen=True)
class Eye:
    """One eye as a right eye (nose to the right); a left eye is mirrored after painting. Lengths in degrees.

    The optic disc is about 1.8 mm (6 degrees) across and lies 15.5 degrees nasal and 1.5 degrees above the
    fovea; a degree is about 0.29 mm on the retina.
    """

    laterality: Laterality
    disc: tuple[float, float]
    fovea: tuple[float, float]
    half_field: float
    age: float
    """0 (child) to 1 (90 years)."""
    pigmentation: float
    """0 (blond fundus) to 1 (dark)."""
    tessellation: float
    """How clearly the choroidal vessels show, 0 to 1."""
    disc_radius: float
    disc_tilt: float = 0.0
    """0 round to 1: narrow, tilted disc."""
    cup_ratio: float = 0.35
    disc_pallor: float = 0.0
    disc_swelling: float = 0.0
    crescent: float = 0.0
    """Width of the temporal crescent of atrophy beside the disc."""
    crescent_all_round: float = 0.0
    artery_calibre: float = 1.0
    vein_calibre: float = 1.0
    tortuosity: float = 1.0
    vein_beading: float = 0.0
    arterial_reflex: float = 0.3
    nicking: float = 0.0
    """How strongly arteries press on veins where they cross, 0 to 1."""
    fovea_contrast: float = 1.0


def stream(seed: int, *names: str) -> np.random.Generator:
    """An independent random stream for a named part of the phantom of one seed."""
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode())])


def draw_eye(seed: int, laterality: Laterality | None = None) -> Eye:
    """Draw a healthy eye. Both eyes of a seed share age, pigment and refraction, not their fine anatomy."""
    patient = stream(seed, "patient")
    first: Laterality = "right" if patient.random() < 0.5 else "left"
    side = laterality or first
    age, pigmentation = float(patient.beta(2.2, 1.8)), float(patient.beta(1.8, 1.8))
    tessellation = float(np.clip(0.15 + 0.55 * patient.beta(1.3, 2.2) + 0.25 * (age - 0.4), 0.05, 0.65))
    disc_radius = float(patient.uniform(2.75, 3.2))
    cup_ratio = float(np.clip(patient.normal(0.36, 0.09), 0.18, 0.55))
    half_field = float(patient.uniform(21.5, 24.5))
    centring = patient.random()

    own = stream(seed, "eye", side)
    reach = own.normal(15.5, 0.5)
    if centring < 0.72:  # between disc and macula, nearer the macula
        disc_x = own.uniform(9.5, 13.0)
    elif centring < 0.9:  # macula in the middle
        disc_x = own.uniform(13.0, 15.5)
    else:  # disc in the middle
        disc_x = own.uniform(0.5, 5.0)
    disc_y = own.normal(-0.6, 1.0)
    return Eye(
        laterality=side,
        disc=(float(disc_x), float(disc_y)),
        fovea=(float(disc_x - reach), float(disc_y + own.normal(1.5, 0.6))),
        half_field=half_field,
        age=age,
        pigmentation=pigmentation,
        tessellation=tessellation,
        disc_radius=disc_radius,
        disc_tilt=float(own.uniform(0, 0.25)),
        cup_ratio=float(np.clip(cup_ratio + own.normal(0, 0.03), 0.15, 0.58)),
        crescent=float(max(0.0, own.normal(0.05, 0.3))),
        tortuosity=float(own.uniform(0.6, 1.4)),
        arterial_reflex=float(0.22 + 0.2 * age),
        vein_calibre=float(own.uniform(0.9, 1.1)),
        artery_calibre=float(own.uniform(0.9, 1.1)),
    )


def with_traits(eye: Eye, traits: dict[str, float]) -> Eye:
    """The same eye with some traits set by a disease."""
    return replace(eye, **traits)  # type: ignore[arg-type]


def fibre_direction(
    eye: Eye, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Direction of the nerve fibres, unit vectors away from the disc.

    Field lines run from a source at the disc to sinks along the temporal raphe, which gives the arcuate
    course around the fovea.
    """
    dx, dy = x - eye.disc[0], y - eye.disc[1]
    square = dx * dx + dy * dy + 0.5
    u, v = dx / square, dy / square
    for step, weight in ((1.0, 0.10), (5.0, 0.12), (9.0, 0.14), (14.0, 0.16), (20.0, 0.2)):
        ax, ay = x - (eye.fovea[0] - step), y - eye.fovea[1]
        square = ax * ax + ay * ay + 2.0
        u, v = u - weight * ax / square, v - weight * ay / square
    norm = np.hypot(u, v) + 1e-9
    return u / norm, v / norm
