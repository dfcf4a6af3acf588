"""Temperature, conformal sets and Dirichlet uncertainty."""

import numpy as np
import pytest

from retizero.serving.confidence import (
    conformal_members,
    conformal_threshold,
    dirichlet_uncertainty,
    fit_temperature,
    is_calibrated_for,
    softmax,
)


def drawn(rng, n, temperature):
    """Logits whose labels are drawn from the softmax at a known temperature."""
    logits = rng.normal(0, 3, (n, 5))
    probabilities = softmax(logits, temperature)
    truth = np.array([rng.choice(5, p=row) for row in probabilities])
    return logits, truth


def test_the_temperature_that_made_the_labels_is_found():
    logits, truth = drawn(np.random.default_rng(0), 8000, 2.5)
    assert fit_temperature(logits, truth) == pytest.approx(2.5, rel=0.06)


def test_conformal_sets_cover_new_rows_as_promised():
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(60):
        logits, truth = drawn(rng, 300, 1.0)
        probabilities = softmax(logits)
        threshold = conformal_threshold(probabilities[:150], truth[:150], 0.9)
        members = conformal_members(probabilities[150:], threshold)
        covered.append(np.mean([label in row for label, row in zip(truth[150:], members, strict=True)]))
    assert np.mean(covered) == pytest.approx(0.9, abs=0.015)


def test_the_threshold_is_the_hand_worked_order_statistic():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    truth = np.zeros(4, int)
    assert conformal_threshold(probabilities, truth, 0.6) == pytest.approx(
        0.4
    )  # ceil(5 * .6) = 3rd of .1 .2 .4 .7
    assert conformal_threshold(probabilities, truth, 0.9) == np.inf  # ceil(4.5) = 5 > 4


def test_a_set_is_never_empty_and_most_probable_first():
    assert conformal_members(np.array([[0.2, 0.5, 0.3]]), 0.1) == [[1]]
    assert conformal_members(np.array([[0.2, 0.5, 0.3]]), 0.75) == [[1, 2]]


def test_uncertainty_has_the_golden_value_and_falls_with_evidence():
    golden = np.array([[2.0, -1.0, 0.5]])
    assert float(dirichlet_uncertainty(golden)[0]) == pytest.approx(0.467707, abs=5e-7)
    assert (
        dirichlet_uncertainty(golden + 5)[0]
        < dirichlet_uncertainty(golden)[0]
        < dirichlet_uncertainty(golden - 50)[0]
        <= 1
    )


def test_a_calibration_belongs_to_its_candidates_in_any_order_only():
    conformal = {"candidates": ["a", "b"]}
    assert is_calibrated_for(conformal, ("b", "a"))
    assert not is_calibrated_for(conformal, ("a", "b", "c"))
    assert not is_calibrated_for(conformal, ("a",))
    assert not is_calibrated_for(None, ("a", "b"))
