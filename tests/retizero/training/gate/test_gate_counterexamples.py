"""Pictures that are no photographs, for the gate to learn from."""

import numpy as np
import pytest

from retizero.serving.gate import judge
from retizero.training.gate import counterexamples as module
from retizero.training.gate.counterexamples import (
    behind_round_mask,
    counterexamples,
    installed_pictures,
    parts,
)


def test_installed_packages_bring_photographs_of_other_things():
    found = list(installed_pictures())
    assert len(found) >= 5
    assert all(each.dtype == np.uint8 and each.ndim == 3 and each.shape[2] == 3 for each in found)
    assert not any(judge(each).is_fundus for each in found)


def test_they_are_the_same_for_a_seed_and_some_are_masked(monkeypatch):
    monkeypatch.setattr(module, "_NOISE", 20)
    monkeypatch.setattr(module, "_PARTS", 4)
    first, again, other = counterexamples(1), counterexamples(1), counterexamples(2)
    assert len(first) == 5 * len(list(installed_pictures())) + 20
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))
    noise = first[-20:]
    masked = [not each[0, 0].any() and not each[-1, -1].any() for each in noise]
    assert 0 < sum(masked) < 20


def test_noise_alone_is_left_where_no_package_brings_pictures(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(module, "_NOISE", 3)
    assert len(counterexamples(0)) == 3


def test_parts_are_squares_inside_the_picture():
    picture = np.arange(100 * 60, dtype=np.uint32).astype(np.uint8).reshape(100, 60, 1).repeat(3, 2)
    for part in parts(picture, np.random.default_rng(0), 10, 0.5):
        assert part.shape[0] == part.shape[1]
        assert 30 <= part.shape[0] <= 48


def test_the_round_mask_keeps_the_middle_and_blackens_corners():
    masked = behind_round_mask(np.full((80, 120, 3), 200, np.uint8), 0.45)
    assert masked.shape == (80, 80, 3)
    assert not masked[0, 0].any()
    assert (masked[40, 40] == 200).all()
    assert (masked > 0).mean() == pytest.approx(np.pi * 0.45**2, abs=0.01)
