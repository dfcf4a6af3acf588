"""Evidence in transformers: attention recorded without changing the answer, rollout and relevance by hand."""

import numpy as np
import pytest
import torch
from open_clip.transformer import VisionTransformer

from retizero.model.retizero.image_tower import ImageTower
from retizero.serving.evidence.attention import recorded_attention
from retizero.serving.evidence.transformer import patches, reads_class_token, relevance, rollout
from tests.retizero.model.tiny_retizero import tiny_config, tiny_network


def open_clip_tower(**options):
    torch.manual_seed(3)
    return VisionTransformer(
        image_size=32, patch_size=8, width=32, layers=3, heads=4, mlp_ratio=2.0, output_dim=12, **options
    ).eval()


@pytest.mark.parametrize("tower", [tiny_network().image, open_clip_tower()], ids=["RetiZero", "open_clip"])
def test_recording_attention_changes_no_embedding_and_leaves_no_trace(tower):
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain = tower(pixels)
    with recorded_attention(tower) as weights:
        open_ = tower(pixels)
    assert torch.allclose(open_.detach(), plain, atol=1e-5)
    assert all(each.shape == weights[0].shape for each in weights)
    assert weights[0].shape[0] == 2
    assert weights[0].shape[2:] == (17, 17)
    assert torch.allclose(weights[-1].sum(-1), torch.ones(()), atol=1e-5)
    with torch.no_grad():
        assert torch.equal(tower(pixels), plain)
    assert reads_class_token(tower)


def test_folding_lora_changes_no_relevance():
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    towards = torch.randn(12, generator=torch.Generator().manual_seed(3))
    found = []
    for folded in (False, True):
        network = tiny_network()
        if folded:
            network.fold()
        with recorded_attention(network.image) as weights:
            score = (network.image(pixels)[0] * towards).sum()
        found.append(relevance(weights, score, class_token=True))
    assert found[0].max() > 0
    assert torch.allclose(found[0], found[1], rtol=1e-3, atol=1e-6)


def test_rollout_of_two_layers_is_the_product_of_half_attention_and_half_identity():
    first = torch.tensor([[[[0.2, 0.8], [0.5, 0.5]], [[0.6, 0.4], [0.1, 0.9]]]])
    second = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]])
    mean_first = np.array([[0.4, 0.6], [0.3, 0.7]])
    mean_second = np.array([[0.5, 0.5], [0.5, 0.5]])
    by_hand = (0.5 * mean_second + 0.5 * np.eye(2)) @ (0.5 * mean_first + 0.5 * np.eye(2))
    assert np.allclose(rollout([first, second], class_token=True)[0], by_hand[0])
    assert np.allclose(rollout([first, second], class_token=False)[0], by_hand.mean(axis=0))


def test_relevance_of_one_layer_is_attention_times_its_numerical_gradient():
    attention = torch.tensor([[[[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]]]], dtype=torch.float64)

    def score(weights):
        return (weights[0, 0, 0] * torch.tensor([1.0, -2.0, 3.0])).sum() ** 2 + weights[0, 0, 1, 1]

    leaf = attention.clone().requires_grad_()
    found = relevance([leaf], score(leaf), class_token=True)[0].numpy()
    step = 1e-6
    by_hand = []
    for column in range(3):
        moved = attention.clone()
        moved[0, 0, 0, column] += step
        gradient = float(score(moved) - score(attention)) / step
        by_hand.append(max(0.0, float(attention[0, 0, 0, column]) * gradient))
    assert np.allclose(found, by_hand, atol=1e-4)


def test_patches_follow_a_class_token_and_registers():
    for leading in (0, 1, 5):
        tokens = torch.arange(leading + 16.0)[None]
        grid = patches(tokens)
        assert grid.shape == (1, 4, 4)
        assert grid[0, 0, 0] == leading


def test_any_input_size_gives_a_map_of_its_own_grid():
    config = tiny_config().with_image_size(48)
    tower = ImageTower(config.vit, config.embed_dim).eval()
    with recorded_attention(tower) as weights:
        score = tower(torch.randn(1, 3, 48, 48)).sum()
    assert patches(relevance(weights, score, class_token=True)).shape == (1, 6, 6)


def test_open_clips_own_words_for_pooling_are_understood():
    assert not reads_class_token(open_clip_tower(pool_type="avg"))
