"""Losses against the golden values of the method description and hand-worked cases."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from retizero.training.losses import (
    clip_loss,
    evidential_loss,
    evidential_terms,
    retizero_loss,
    soft_cross_entropy,
)

GOLDEN = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0], [1.0, 0.25, 1.5]], dtype=torch.float64)
DIAGONAL = torch.arange(3)


def test_the_contrastive_loss_has_the_golden_value():
    assert float(clip_loss(GOLDEN)) == pytest.approx(0.292703, abs=5e-7)


def test_the_evidential_fit_has_the_golden_values():
    assert float(evidential_terms(GOLDEN, DIAGONAL)[0]) == pytest.approx(0.813344, abs=5e-7)
    assert float(evidential_terms(GOLDEN.T, DIAGONAL)[0]) == pytest.approx(0.808320, abs=5e-7)


@pytest.mark.parametrize(
    ("epoch", "text", "image"), [(1, 0.016014, 0.016697), (8, 0.128112, 0.133573), (15, 0.240210, 0.250449)]
)
def test_the_ramped_divergence_has_the_golden_values(epoch, text, image):
    weight = epoch / 15
    assert weight * float(evidential_terms(GOLDEN, DIAGONAL)[1]) == pytest.approx(text, abs=1e-6)
    assert weight * float(evidential_terms(GOLDEN.T, DIAGONAL)[1]) == pytest.approx(image, abs=1e-6)


@pytest.mark.parametrize(("epoch", "total"), [(1, 1.947078), (8, 2.176052), (15, 2.405026), (40, 2.405026)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_whole_loss_has_the_golden_values_and_stops_ramping(epoch, total, dtype):
    assert float(retizero_loss(GOLDEN.to(dtype), epoch)) == pytest.approx(total, abs=2e-6)


@pytest.mark.parametrize(("epoch", "total"), [(1, 16.4159), (15, 33.4604)])
def test_the_loss_of_a_batch_without_any_preference_has_the_golden_value(epoch, total):
    assert float(retizero_loss(torch.zeros(128, 128), epoch)) == pytest.approx(total, abs=5e-4)


def test_half_precision_logits_are_computed_in_single_precision():
    loss = evidential_loss(GOLDEN.to(torch.float16), epoch=1)
    assert loss.isfinite()
    assert float(clip_loss(GOLDEN.to(torch.float16))) == pytest.approx(0.292703, abs=1e-4)


def test_diagonal_positives_are_the_plain_contrastive_loss():
    assert float(clip_loss(GOLDEN, torch.eye(3))) == pytest.approx(float(clip_loss(GOLDEN)), abs=1e-12)


def test_identical_captions_are_not_negatives_of_each_other():
    # Two pairs with one caption: equal logits are the best there is, log 2 per row.
    same = torch.ones(2, 2)
    assert float(clip_loss(torch.zeros(2, 2), same)) == pytest.approx(math.log(2), abs=1e-6)
    gradient = torch.zeros(2, 2, requires_grad=True)
    clip_loss(gradient, same).backward()
    assert torch.allclose(gradient.grad, torch.zeros(2, 2))


def test_soft_cross_entropy_agrees_with_torch_and_skips_rows_without_weight():
    weight = torch.tensor([[2.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0]], dtype=torch.float64)
    expected = cross_entropy(
        GOLDEN[[0, 2]], torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    )
    assert float(soft_cross_entropy(GOLDEN, weight)) == pytest.approx(float(expected), abs=1e-12)


def test_divergence_agrees_with_torch_distributions():
    alpha = torch.nn.functional.softplus(GOLDEN) + 1
    wrong = alpha.clone()
    wrong[DIAGONAL, DIAGONAL] = 1
    expected = torch.distributions.kl_divergence(
        torch.distributions.Dirichlet(wrong), torch.distributions.Dirichlet(torch.ones_like(wrong))
    ).mean()
    assert float(evidential_terms(GOLDEN, DIAGONAL)[1]) == pytest.approx(float(expected), abs=1e-12)
