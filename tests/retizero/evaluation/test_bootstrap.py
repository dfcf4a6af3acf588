"""Intervals over groups cover what they promise, and are fast."""

import time

import numpy as np
import pytest

from retizero.evaluation import metrics, score_curves
from retizero.evaluation.bootstrap import GroupBootstrap, estimate, estimate_mean


def test_an_interval_agrees_with_resampling_image_by_image():
    random = np.random.default_rng(0)
    groups = [f"g{number}" for number in random.integers(0, 40, 120)]
    values = random.random(120)
    members = {group: [i for i, own in enumerate(groups) if own == group] for group in set(groups)}
    names = sorted(members)
    means = []
    for _ in range(3000):
        drawn = [i for name in random.choice(names, len(names)) for i in members[name]]
        means.append(values[drawn].mean())
    expected = np.quantile(means, [0.025, 0.975])
    found = estimate_mean(values, GroupBootstrap(groups))
    assert found["value"] == pytest.approx(values.mean())
    np.testing.assert_allclose(found["ci"], expected, atol=0.006)


def test_intervals_over_correlated_groups_cover_the_truth():
    covered, too_short = [], []
    groups = np.repeat(np.arange(80), 4).astype(str)
    for trial in range(2_000):
        values = np.repeat(np.random.default_rng(trial).random(80) < 0.6, 4).astype(float)
        low, high = GroupBootstrap(groups, 300).interval(lambda w, v=values: metrics.mean(v, w))
        covered.append(low <= 0.6 <= high)
        if trial < 200:
            images = GroupBootstrap(np.arange(320).astype(str), 300)
            low, high = images.interval(lambda w, v=values: metrics.mean(v, w))
            too_short.append(low <= 0.6 <= high)
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(too_short) < 0.8  # what resampling images as if they were independent would do


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(1).random(50)
    groups = np.arange(50).astype(str)
    assert estimate_mean(values, GroupBootstrap(groups)) == estimate_mean(values, GroupBootstrap(groups))
    assert estimate_mean(values, GroupBootstrap(groups)) != estimate_mean(
        values, GroupBootstrap(groups, seed=1)
    )


def test_one_group_has_no_interval_and_an_undefined_statistic_no_value():
    assert GroupBootstrap(["a", "a"]).interval(lambda w: w.sum(axis=0)) is None
    groups = GroupBootstrap(["a", "b"])
    assert estimate(lambda w: np.full(1 if w is None else w.shape[1], np.nan), groups) == {
        "value": None,
        "ci": None,
    }


def test_five_thousand_images_take_seconds():
    random = np.random.default_rng(0)
    scores, truth = random.random((5000, 4)), random.random((5000, 4)) < 0.1
    started = time.process_time()
    bootstrap = GroupBootstrap(random.integers(0, 3000, 5000).astype(str))
    estimate(lambda w: score_curves.macro_auc(scores, truth, w), bootstrap)
    assert time.process_time() - started < 10
