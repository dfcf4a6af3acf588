"""Two image trunks side by side."""

import pytest
import torch
from timm.models import create_model, is_model

from retizero.model.pair_trunk import PairTrunk, know_pair, pair_name


def test_the_features_of_both_trunks_are_stacked_and_pooled():
    torch.manual_seed(0)
    pair = PairTrunk("test_efficientnet").eval()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        found = pair(pixels)
        apart = [trunk.forward_features(pixels).mean(dim=(2, 3)) for trunk in (pair.first, pair.second)]
    assert found.shape == (2, pair.num_features)
    torch.testing.assert_close(found, torch.cat(apart, dim=1))
    assert not torch.allclose(*apart)


def test_timm_builds_a_pair_by_its_name_once_it_is_known():
    name = pair_name("test_efficientnet")
    know_pair(name)
    know_pair(name)
    know_pair("tf_efficientnet_lite2")
    assert is_model(name)
    assert isinstance(create_model(name, num_classes=0, global_pool="avg"), PairTrunk)


def test_a_pair_has_no_classifier():
    with pytest.raises(ValueError, match="no classifier"):
        PairTrunk("test_efficientnet").reset_classifier(3)
