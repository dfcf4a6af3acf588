"""Vectors that lie as embeddings of fundus photographs lie, to measure galleries larger than any data here.

Gaussian noise on a sphere is no stand-in: it has no near neighbours, and no index works on it. Embeddings of
photographs by retizero-mini (256 values) were looked at instead: all lie in a cone (squared norm of the
mean vector 0.43); the first 32 principal directions hold 98 % of the variance; 64 % of it is between
diseases, and two photographs of one patient differ by 0.34 of it. Here: 400 diseases with Zipf's frequencies,
two photographs a patient on average, principal directions falling off as i ** -1.5, which is slower than
measured and so harder for an index; they are turned at random, for no coordinate of retizero-mini holds more
than 1.5 % of the variance.

One thing is easier here: one coordinate of retizero-mini, the same for all photographs, holds 30 % of the
squared length. Half precision rounds it by up to 0.00024, and neighbours that are closer to each other than
that may change places in an fp16 gallery of that model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONE = 0.43
BETWEEN_DISEASES, BETWEEN_PATIENTS, BETWEEN_PHOTOGRAPHS = 0.6, 0.15, 0.25
DISEASES, PER_PATIENT, FALL_OFF = 400, 2, 1.5
_BLOCK = 32_768


@dataclass(frozen=True)
class Population:
    """Patients with a disease each.

    Attributes:
        patients: (P, D) float32 each patient's own place, disease included, without the cone.
        spread: (D,) standard deviation along each direction; squares sum to 1.
        axis: (D,) unit vector in the middle of the cone.
        turn: (D, D) orthonormal; turns principal directions away from the coordinates.
    """

    patients: NDArray[np.float32]
    spread: NDArray[np.float32]
    axis: NDArray[np.float32]
    turn: NDArray[np.float32]


def population(rng: np.random.Generator, patients: int, dimension: int) -> Population:
    """Draw diseases and patients."""
    spread = np.arange(1, dimension + 1, dtype=np.float32) ** (-FALL_OFF / 2)
    spread /= np.sqrt((spread**2).sum())
    frequency = 1 / np.arange(1, DISEASES + 1)
    diseases = rng.standard_normal((DISEASES, dimension), dtype=np.float32) * spread
    chosen = rng.choice(DISEASES, patients, p=frequency / frequency.sum())
    places = rng.standard_normal((patients, dimension), dtype=np.float32) * spread
    places *= np.float32(np.sqrt(BETWEEN_PATIENTS))
    places += np.float32(np.sqrt(BETWEEN_DISEASES)) * diseases[chosen]
    axis = rng.standard_normal(dimension, dtype=np.float32)
    turn = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0].astype(np.float32)
    return Population(places, spread, axis / np.linalg.norm(axis), turn)


def photographs(
    rng: np.random.Generator, people: Population, owners: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Draw one photograph of each owner: (N, D) float32, unit norm."""
    vectors = np.empty((len(owners), len(people.spread)), np.float32)
    for start in range(0, len(owners), _BLOCK):
        block = owners[start : start + _BLOCK]
        drawn = rng.standard_normal((len(block), len(people.spread)), dtype=np.float32) * people.spread
        drawn = people.patients[block] + np.float32(np.sqrt(BETWEEN_PHOTOGRAPHS)) * drawn
        drawn = (
            np.float32(np.sqrt(1 - CONE)) * (drawn @ people.turn) + np.float32(np.sqrt(CONE)) * people.axis
        )
        vectors[start : start + len(block)] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return vectors
