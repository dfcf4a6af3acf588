"""Blending of photographs in pairs."""

import torch

from retizero.training.loop import mixed


def test_rows_are_blended_with_the_row_before_in_the_same_share():
    views, labels, target = torch.rand(4, 2, 3, 3), torch.eye(4), torch.full((4, 4), 0.25)
    blended, both, aim = mixed(views, labels, target, 0.7)
    torch.testing.assert_close(blended[2], 0.7 * views[2] + 0.3 * views[1])
    torch.testing.assert_close(both[0], torch.tensor([0.7, 0.0, 0.0, 0.3]))
    torch.testing.assert_close(aim.sum(dim=1), torch.ones(4))
