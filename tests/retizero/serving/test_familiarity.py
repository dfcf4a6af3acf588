"""The gate's distance of embeddings."""

from dataclasses import replace

import numpy as np
import pytest

from retizero.serving.familiarity import fit_familiarity, read_familiarity
from retizero.serving.gate import Look

RNG = np.random.default_rng(0)
AXES = RNG.normal(size=(4, 24))


def photographs(count):
    """Embeddings in four of 24 directions, with a little noise; unit norm."""
    return unit(RNG.normal(size=(count, 4)) @ AXES + 0.05 * RNG.normal(size=(count, 24)) + 2)


def pictures(count):
    """Embeddings of the same directions, at the photographs' edge."""
    return unit(photographs(count) * 10 + 2.2 * AXES[0])


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    held_out = photographs(400)
    made = fit_familiarity("a" * 64, photographs(600), pictures(300), held_out, np.full(400, 0.25), 0.985)
    return made, held_out


def without_pictures(familiarity):
    never = np.zeros_like(familiarity.others)
    never[-1] = -1e4
    return replace(familiarity, others=never)


def test_scale_and_limit_are_quantiles_of_held_out_photographs(fitted):
    familiarity, held_out = fitted
    assert (without_pictures(familiarity).distances(held_out) <= 1).mean() == pytest.approx(0.99, abs=0.005)
    distances = familiarity.distances(held_out)
    assert (distances + 0.25 <= familiarity.limit).mean() == pytest.approx(0.985, abs=0.005)


def test_pictures_like_those_of_the_fit_are_farther_than_distance_alone_says(fitted):
    familiarity, _ = fitted
    new, known = pictures(200), photographs(200)
    gained = familiarity.distances(new) - without_pictures(familiarity).distances(new)
    lost = familiarity.distances(known) - without_pictures(familiarity).distances(known)
    assert np.median(gained) > 10 * np.median(lost)
    assert np.median(gained) > 0.2


def test_other_directions_are_far(fitted):
    familiarity, _ = fitted
    other = RNG.normal(size=(50, 24)).astype(np.float32)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    assert familiarity.distances(other).min() > familiarity.limit


def test_a_stored_fit_answers_the_same_for_its_weights_and_is_ignored_for_others(fitted, tmp_path):
    familiarity, held_out = fitted
    familiarity.save(tmp_path)
    read = read_familiarity(tmp_path, "a" * 64)
    assert read is not None
    np.testing.assert_array_equal(read.distances(held_out), familiarity.distances(held_out))
    assert read.limit == pytest.approx(familiarity.limit, rel=1e-5)
    assert read_familiarity(tmp_path, "b" * 64) is None


def test_no_file_or_a_damaged_one_means_no_fit(tmp_path):
    assert read_familiarity(tmp_path, "a" * 64) is None
    (tmp_path / "familiarity.safetensors").write_bytes(b"damaged")
    assert read_familiarity(tmp_path, "a" * 64) is None


def test_both_distances_add_up():
    look = Look(oddness=0.8, quality=0.5, poor=False)
    assert look.gate(0.6, 1.5).is_fundus
    assert not look.gate(0.8, 1.5).is_fundus
    assert not Look(oddness=float("nan"), quality=0.5, poor=False).gate().is_fundus
