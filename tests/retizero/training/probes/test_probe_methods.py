"""Probes on small separable problems, against scikit-learn, torch and hand-made cases."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from retizero.knowledge import LabelSet
from retizero.serving.few_shot import prototypes
from retizero.training.probes.linear import logistic_regression
from retizero.training.probes.methods import METHODS
from retizero.training.probes.problem import Fitted, Problem, best_on_validation
from retizero.training.probes.shots import draw_shots
from retizero.training.probes.text_probe import _descent
from retizero.training.probes.tip_adapter import CacheHead

LABELS = LabelSet("t", "1", "", "", ("a", "b", "c"), ("a", "b", "c"))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def problem(seed=0, number=24, noise=0.25, val=12, width=8, labels=LABELS):
    rng = np.random.default_rng(seed)
    centers = unit(rng.normal(size=(len(labels), width)))
    classes = np.arange(number) % len(labels)
    held_out = np.arange(val) % len(labels)

    def draw(of):
        return unit(centers[of] + noise * rng.normal(size=(len(of), width)))

    texts = unit(centers + 0.4 * rng.normal(size=centers.shape))
    return Problem(labels, draw(classes), classes, draw(held_out), held_out, texts, 20.0)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_probe_learns_a_separable_problem(name):
    given = problem()
    fitted = METHODS[name].fit(given)
    right = fitted.head.logits(given.val_features).argmax(axis=1) == given.val_classes
    assert right.mean() >= 0.9


@pytest.mark.parametrize("name", ["ss-text", "tip-adapter", "lp++", "linear", "simple-shot"])
def test_every_probe_works_from_one_photograph_of_each_class_without_validation(name):
    given = problem(number=3, val=0)
    logits = METHODS[name].fit(given).head.logits(given.features)
    assert np.isfinite(logits).all()
    assert logits.argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_linear_probe_is_scikit_learns_on_standardised_features(classes):
    labels = LabelSet("t", "1", "", "", LABELS.ids[:classes], LABELS.names[:classes])
    given = problem(labels=labels, noise=0.6)
    head = logistic_regression(given, 0.5, "balanced")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, class_weight="balanced", max_iter=100))
    model.fit(given.features, given.classes)
    expected = model.predict_log_proba(given.val_features)
    logits = head.logits(given.val_features)
    shifted = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    np.testing.assert_allclose(shifted, expected, atol=1e-8)


def test_one_photograph_each_of_many_classes_warns_of_nothing():
    ids = tuple(f"class {number}" for number in range(24))
    given = problem(number=24, val=0, labels=LabelSet("t", "1", "", "", ids, ids))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        METHODS["linear"].fit(given)


def test_a_class_without_a_photograph_is_never_named_by_the_linear_probe():
    given = problem()
    kept = given.classes != 1
    less = Problem(
        LABELS, given.features[kept], given.classes[kept], given.val_features, given.val_classes, None, 1.0
    )
    assert 1 not in logistic_regression(less, 1.0).logits(given.val_features).argmax(axis=1)


def test_lp_plus_plus_descends_the_cross_entropy_as_torch_does():
    given = problem(number=9)
    features = torch.from_numpy(given.features)
    target = torch.from_numpy(given.classes)
    spoken = features @ torch.from_numpy(given.texts).T
    member = torch.eye(3, dtype=torch.float64)[target]
    weights = (member.T @ features).requires_grad_()
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    alpha = (250 * (member.T @ spoken / 3).mean() * torch.ones(3, dtype=torch.float64)).requires_grad_()
    step = 4 * 9 / torch.linalg.eigvalsh(features.T @ features)[-1].item()
    optimiser = torch.optim.SGD([weights, bias], lr=step, momentum=0.9)
    alpha_step = 9 / (4 * (spoken**2).sum(dim=0).max().item())
    for done in range(1, 31):
        logits = features @ weights.T + alpha * spoken + bias
        torch.nn.functional.cross_entropy(logits, target).backward()
        optimiser.step()
        optimiser.zero_grad()
        if done % 10 == 0:
            with torch.no_grad():
                alpha -= alpha_step * alpha.grad
            alpha.grad = None
    made = {steps: (w, b) for steps, w, b in _descent(given) if steps <= 30}
    expected = (weights + alpha[:, None] * torch.from_numpy(given.texts)).detach().numpy()
    np.testing.assert_allclose(made[30][0], expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(made[30][1], bias.detach().numpy(), rtol=1e-6, atol=1e-8)


def test_the_cache_of_tip_adapter_adds_what_the_formula_says():
    texts, keys, values = np.eye(2), np.array([[1.0, 0.0], [0.0, 1.0]]), np.eye(2)
    head = CacheHead(texts, keys, values, alpha=3.0, beta=2.0)
    query = np.array([[0.6, 0.8]])
    expected = [0.6 + 3 * np.exp(-2 * 0.4), 0.8 + 3 * np.exp(-2 * 0.2)]
    np.testing.assert_allclose(head.logits(query)[0], expected)


def test_ss_text_is_the_prototypes_scaled():
    given = problem()
    made = prototypes(given.features, given.classes, given.texts, 3, 20.0)
    np.testing.assert_allclose(METHODS["ss-text"].fit(given).head.weights, 20.0 * made)


class Constant:
    def __init__(self, answer):
        self.answer = answer

    def logits(self, features):
        return np.tile(np.eye(3)[self.answer], (len(features), 1))


def test_settings_are_chosen_on_validation_and_the_first_of_equals_is_kept():
    given = problem()
    perfect = Fitted(METHODS["zero-shot"].fit(given).head, {"which": "text"})
    tried = [Fitted(Constant(0), {"which": 0}), Fitted(Constant(1), {"which": 1}), perfect]
    assert best_on_validation(given, tried, 0).settings == {"which": "text"}
    assert best_on_validation(given, tried[:2], 1).settings == {"which": 0}
    without = problem(val=0)
    assert best_on_validation(without, tried, 1).settings == {"which": 1}


def test_shots_are_of_different_patients_as_long_as_there_are_any():
    classes = np.array([0, 0, 0, 0, 1, 1])
    groups = ["p", "p", "q", "r", "s", "s"]
    for seed in range(10):
        drawn = draw_shots(classes, groups, 3, np.random.default_rng(seed))
        of_zero = [groups[i] for i in drawn if classes[i] == 0]
        assert sorted(of_zero) == ["p", "q", "r"]
        assert [i for i in drawn if classes[i] == 1] == [4, 5]


def test_the_draw_is_decided_by_its_seed():
    classes, groups = np.repeat([0, 1], 20), [str(i) for i in range(40)]
    draws = [draw_shots(classes, groups, 4, np.random.default_rng(s)).tolist() for s in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]
    assert np.bincount(classes[draws[0]]).tolist() == [4, 4]
