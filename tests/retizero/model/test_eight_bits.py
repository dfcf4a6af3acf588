"""Matrices in eight bits."""

import torch

from retizero.model.eight_bits import in_eight_bits, in_floats


def test_matrices_under_the_prefix_come_back_within_half_a_step_of_their_row():
    torch.manual_seed(0)
    rows = torch.randn(5, 40) * torch.tensor([[1e-4], [1.0], [30.0], [0.1], [5.0]])
    packed = in_eight_bits({"text.w": rows.half()}, "text.")
    assert packed["text.w"].dtype == torch.int8
    back = in_floats(packed)
    assert list(back) == ["text.w"]
    step = rows.abs().amax(dim=1, keepdim=True) / 127
    assert ((back["text.w"] - rows).abs() <= 0.51 * step + 1e-3 * rows.abs()).all()


def test_everything_else_stays_as_it_is():
    kept = {
        "text.bias": torch.randn(4),
        "text.count": torch.tensor([[1, 2]]),
        "image.w": torch.randn(3, 3),
        "norm.scale": torch.ones(3),
    }
    packed = in_eight_bits(kept, "text.")
    assert packed == kept
    assert in_floats(packed) == kept


def test_a_row_of_zeros_stays_zero():
    assert not in_floats(in_eight_bits({"w": torch.zeros(2, 3)}, ""))["w"].any()
