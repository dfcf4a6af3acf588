"""Metrics agree with scikit-learn and with cases worked by hand, weighted or not."""

import doctest

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from retizero.evaluation import chance, metrics, official, reliability, score_curves, selective

SEEDS = [0, 1, 2]


def case(seed, n=200, k=7, tied=False):
    random = np.random.default_rng(seed)
    scores = random.random((n, k))
    if tied:
        scores = np.round(scores, 1)
    primary = random.integers(0, k, n)
    truth = np.eye(k, dtype=bool)[primary] | (random.random((n, k)) < 0.1)
    return scores, truth, primary, random.integers(0, 4, (n, 3)).astype(float)


def test_every_example_in_the_documentation_is_true():
    for module in (metrics, chance, official, reliability, score_curves, selective):
        result = doctest.testmod(module, extraglobs={"np": np})
        assert result.attempted > 0
        assert result.failed == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_agrees_with_scikit_learn(seed, k):
    scores, _, primary, weights = case(seed)
    ranks = metrics.truth_ranks(scores, np.eye(7, dtype=bool)[primary])
    values = (ranks <= k).astype(float)
    expected = reference.top_k_accuracy_score(primary, scores, k=k, labels=range(7))
    assert metrics.mean(values)[0] == pytest.approx(expected, abs=1e-9)
    for column in range(3):
        weighted = reference.top_k_accuracy_score(
            primary, scores, k=k, labels=range(7), sample_weight=weights[:, column]
        )
        assert metrics.mean(values, weights)[column] == pytest.approx(weighted, abs=1e-9)


def test_ranks_with_ties_and_several_labels_worked_by_hand():
    scores = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [1, 1, 1]])
    truth = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 0], [0, 0, 1]], bool)
    # tie lost; both right; one wrong label above; 0.3 behind 0.5; all tied, last of three
    assert metrics.truth_ranks(scores, truth).tolist() == [2, 1, 2, 2, 3]
    ranks = metrics.label_ranks(scores, truth)
    assert [ranks[0, 0], ranks[1, 0], ranks[1, 1], ranks[3, 0], ranks[3, 1]] == [2, 1, 1, 2, 2]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tied", [False, True])
def test_auc_agrees_with_scikit_learn(seed, tied):
    scores, truth, _, weights = case(seed, tied=tied)
    assert score_curves.macro_auc(scores, truth)[0] == pytest.approx(
        reference.roc_auc_score(truth, scores, average="macro"), abs=1e-9
    )
    for column in range(3):
        expected = reference.roc_auc_score(truth[:, 0], scores[:, 0], sample_weight=weights[:, column])
        assert score_curves.roc_auc(scores[:, 0], truth[:, 0], weights)[column] == pytest.approx(
            expected, abs=1e-9
        )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tied", [False, True])
def test_label_average_precision_agrees_with_scikit_learn(seed, tied):
    scores, truth, _, weights = case(seed, tied=tied)
    assert score_curves.macro_average_precision(scores, truth)[0] == pytest.approx(
        reference.average_precision_score(truth, scores, average="macro"), abs=1e-9
    )
    for column in range(3):
        expected = reference.average_precision_score(
            truth[:, 0], scores[:, 0], sample_weight=weights[:, column]
        )
        found = score_curves.average_precision_over_thresholds(scores[:, 0], truth[:, 0], weights)
        assert found[column] == pytest.approx(expected, abs=1e-9)


def test_auc_agrees_with_scipys_rank_sum_and_torchmetrics():
    torch, functional = pytest.importorskip("torch"), pytest.importorskip("torchmetrics.functional")
    scores, truth, primary, _ = case(3, tied=True)
    with_label, without = scores[truth[:, 0], 0], scores[~truth[:, 0], 0]
    expected = stats.mannwhitneyu(with_label, without).statistic / (len(with_label) * len(without))
    assert score_curves.roc_auc(scores[:, 0], truth[:, 0])[0] == pytest.approx(expected, abs=1e-9)
    arguments = (torch.tensor(scores), torch.tensor(truth.astype(int)), 7)
    found = score_curves.macro_auc(scores, truth)[0]
    assert found == pytest.approx(functional.classification.multilabel_auroc(*arguments).item(), abs=1e-6)
    found = score_curves.macro_average_precision(scores, truth)[0]
    expected = functional.classification.multilabel_average_precision(*arguments).item()
    assert found == pytest.approx(expected, abs=1e-6)  # torchmetrics answers in single precision
    confidence, correct = scores[:, 0], scores.argmax(axis=1) == primary
    found = reliability.calibration_error(confidence, correct)[0]
    arguments = (torch.tensor(confidence), torch.tensor(correct.astype(int)), 15)
    expected = functional.classification.binary_calibration_error(*arguments).item()
    assert found == pytest.approx(expected, abs=1e-6)


def test_labels_that_all_or_no_images_have_are_left_out_of_the_macro_auc():
    scores, truth, *_ = case(0)
    truth[:, 0], truth[:, 1] = True, False
    expected = reference.roc_auc_score(truth[:, 2:], scores[:, 2:], average="macro")
    assert score_curves.macro_auc(scores, truth)[0] == pytest.approx(expected, abs=1e-9)
    assert np.isnan(score_curves.macro_auc(scores[:, :2], truth[:, :2])[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_balanced_accuracy_agrees_with_scikit_learn(seed):
    scores, _, primary, weights = case(seed)
    predicted = scores.argmax(axis=1)
    correct = predicted == primary
    assert metrics.balanced_accuracy(correct, primary)[0] == pytest.approx(
        reference.balanced_accuracy_score(primary, predicted), abs=1e-9
    )
    for column in range(3):
        expected = reference.balanced_accuracy_score(primary, predicted, sample_weight=weights[:, column])
        assert metrics.balanced_accuracy(correct, primary, weights)[column] == pytest.approx(
            expected, abs=1e-9
        )


def test_a_class_that_a_resample_did_not_draw_is_left_out_of_its_mean():
    weights = np.array([[1.0, 0], [1, 0], [1, 1]])
    found = metrics.balanced_accuracy(np.array([True, False, True]), np.array([0, 0, 5]), weights)
    np.testing.assert_allclose(found, [0.75, 1.0])


@pytest.mark.parametrize("seed", SEEDS)
def test_calibration_error_agrees_with_a_loop_over_bins(seed):
    random = np.random.default_rng(seed)
    confidence, correct = random.random(300), random.random(300) < 0.5
    expected = 0.0
    for low in range(15):
        inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    assert reliability.calibration_error(confidence, correct)[0] == pytest.approx(expected, abs=1e-9)


def test_the_reliability_table_adds_up_to_the_calibration_error():
    random = np.random.default_rng(4)
    confidence, correct = random.random(500), random.random(500) < 0.5
    rows = reliability.reliability_table(confidence, correct)
    assert sum(row["n"] for row in rows) == 500
    total = sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / 500
    assert total == pytest.approx(reliability.calibration_error(confidence, correct)[0], abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tied", [False, True])
def test_risk_and_coverage_agree_with_plain_loops(seed, tied):
    random = np.random.default_rng(seed)
    uncertainty, wrong = random.random(60), random.random(60) < 0.4
    uncertainty = uncertainty.round(1) if tied else uncertainty
    times = random.integers(0, 3, 60)
    for weights, copies in ((None, np.ones(60, int)), (times[:, None].astype(float), times)):
        drawn = [i for i in range(60) for _ in range(copies[i])]
        risks = []
        for i in drawn:
            accepted = [j for j in drawn if uncertainty[j] <= uncertainty[i]]
            risks.append(sum(wrong[j] for j in accepted) / len(accepted))
        assert selective.aurc(uncertainty, wrong, weights)[0] == pytest.approx(np.mean(risks), abs=1e-9)
        for coverage in (0.5, 0.8, 1.0):
            for limit in sorted({uncertainty[j] for j in drawn}):
                accepted = [j for j in drawn if uncertainty[j] <= limit]
                if len(accepted) >= coverage * len(drawn) - 1e-9:
                    break
            expected = sum(wrong[j] for j in accepted) / len(accepted)
            found = selective.selective_risk(uncertainty, wrong, coverage, weights)
            assert found[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_average_precision_agrees_with_scikit_learn(seed):
    random = np.random.default_rng(seed)
    scores, relevant = random.random(80), random.random(80) < 0.2
    ranked = relevant[np.argsort(-scores)]
    assert metrics.average_precision(ranked) == pytest.approx(
        reference.average_precision_score(relevant, scores), abs=1e-9
    )


def test_chance_is_what_shuffling_scores():
    random = np.random.default_rng(0)
    truth = np.zeros((1, 9), bool)
    truth[0, :2] = True
    hits = [(metrics.truth_ranks(random.random((1, 9)), truth) <= 3)[0] for _ in range(4000)]
    assert chance.hit_chance(np.array([2]), np.array([9]), 3)[0] == pytest.approx(np.mean(hits), abs=0.025)
