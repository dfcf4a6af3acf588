"""Packed weights compute what plain ones do."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from retizero.model.retizero.packed_linear import PackedLinear, pack_linears


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return nn.Linear(256, 320).requires_grad_(False)


needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="no oneDNN here")


@needs_onednn
@pytest.mark.parametrize("shape", [(1, 256), (3, 7, 256), (2, 197, 256)])
def test_a_packed_layer_gives_the_numbers_of_the_plain_one_for_any_number_of_rows(layer, shape):
    given = torch.randn(shape)
    packed = PackedLinear(layer, rows=197)
    torch.testing.assert_close(packed(given), linear(given, layer.weight, layer.bias), atol=1e-5, rtol=1e-5)


@needs_onednn
def test_gradients_reach_the_input_as_through_the_plain_layer(layer):
    given = torch.randn(4, 5, 256, requires_grad=True)
    (expected,) = torch.autograd.grad(linear(given, layer.weight, layer.bias).square().sum(), given)
    (computed,) = torch.autograd.grad(PackedLinear(layer, rows=20)(given).square().sum(), given)
    torch.testing.assert_close(computed, expected, atol=1e-3, rtol=1e-4)


def test_only_large_plain_layers_are_replaced_and_the_network_answers_the_same():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(16, 256), nn.GELU(), nn.Linear(256, 512), nn.Linear(512, 256, bias=False)
    )
    network.eval().requires_grad_(False)
    packed, given = copy.deepcopy(network), torch.randn(6, 16)
    done = pack_linears(packed, rows=6)
    assert done == torch.backends.mkldnn.is_available()
    kinds = [type(part) for part in packed]
    assert kinds == ([nn.Linear, nn.GELU, PackedLinear, PackedLinear] if done else list(map(type, network)))
    torch.testing.assert_close(packed(given), network(given), atol=1e-5, rtol=1e-5)


def test_where_the_kernel_fails_or_gives_other_numbers_nothing_is_replaced(monkeypatch):
    network = nn.Sequential(nn.Linear(256, 512)).requires_grad_(False)
    monkeypatch.setattr(
        PackedLinear, "forward", lambda self, given: linear(given, self.packed.to_dense()) + 1
    )
    assert not pack_linears(network, rows=4)
    assert type(network[0]) is nn.Linear

    def refuse(self, given):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(PackedLinear, "forward", refuse)
    assert not pack_linears(network, rows=4)
