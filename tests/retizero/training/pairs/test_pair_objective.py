"""A batch computed in parts gives the loss and the gradients of the whole batch."""

import numpy as np
import pytest
import torch
from torch import nn

from retizero.training.pairs.batches import Batch
from retizero.training.pairs.loss import PairLoss
from retizero.training.pairs.objective import PairObjective
from retizero.training.pairs.start import starting_point
from retizero.training.running.loss_scale import LossScale
from retizero.training.running.world import World
from tests.retizero.training.pairs.tiny_pairs import recipe

ALONE = World(0, 1, torch.device("cpu"))


def random_batch(count=8, size=32, pieces=30, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, count)
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = rng.integers(5, pieces, mask.shape) * mask
    pixels = rng.normal(size=(count, 3, size, size)).astype(np.float32)
    keys = rng.integers(0, 4, count)
    return Batch(*(torch.from_numpy(each) for each in (pixels, ids, mask, keys)))


def gradients(folder, seed=0, scaler=None, **changes):
    made = recipe(folder, **changes)
    towers = starting_point(made, folder / "work").towers
    objective = PairObjective(towers, towers, PairLoss(made.loss, ALONE), made.compute, ALONE, dict)
    torch.manual_seed(seed)
    losses = objective.backward(random_batch(), 3, scaler or LossScale(enabled=False))
    found = {name: p.grad for name, p in towers.named_parameters() if p.requires_grad}
    return {name: float(loss) for name, loss in losses.items()}, found, towers


def same(found, expected):
    """Equal to 1e-5, of the largest gradient where that is above 1."""
    return float((found - expected).abs().max()) <= 1e-5 * max(1.0, float(expected.abs().max()))


DROPOUT = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.1}


@pytest.mark.parametrize("positives", ["pairs", "same"])
@pytest.mark.parametrize("part", [2, 3])
def test_parts_give_the_loss_and_gradients_of_the_whole_batch(tmp_path, positives, part):
    terms = {"positives": positives, "siglip": 0.5}
    whole, expected, _ = gradients(tmp_path, loss=terms)
    parts, found, _ = gradients(tmp_path, loss=terms, compute={"micro_batch": part})
    assert parts == pytest.approx(whole, abs=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert same(found[name], gradient), name


def test_both_passes_over_a_part_drop_the_same_units(tmp_path):
    """With other dropout in the second pass the gradients would not be those of the reported loss."""
    towers = gradients(tmp_path)[2]
    bert = {**towers.network.config.bert, **DROPOUT}
    made = {"towers": {**recipe(tmp_path).towers.model_dump(exclude={"folder"}), "bert_sizes": bert}}
    made["towers"]["bert_sizes"].pop("vocab_size")
    first, once, _ = gradients(tmp_path, seed=4, compute={"micro_batch": 4}, **made)
    again, twice, _ = gradients(tmp_path, seed=4, compute={"micro_batch": 4}, **made)
    other, _, _ = gradients(tmp_path, seed=5, compute={"micro_batch": 4}, **made)
    assert first == again
    assert first != other
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_recomputed_blocks_give_the_same_gradients(tmp_path):
    _, expected, _ = gradients(tmp_path)
    _, found, towers = gradients(tmp_path, compute={"checkpoint_blocks": True})
    assert towers.network.image.vit.grad_checkpointing
    for name, gradient in expected.items():
        assert same(found[name], gradient), name


def test_loss_scaling_scales_gradients_and_nothing_else(tmp_path):
    scaler = LossScale(enabled=True, value=64.0)
    whole, expected, _ = gradients(tmp_path)
    scaled, found, _ = gradients(tmp_path, scaler=scaler, compute={"micro_batch": 4})
    assert scaled == pytest.approx(whole, abs=1e-5)
    for name, gradient in expected.items():
        assert same(found[name] / 64, gradient), name


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_near_the_full_loss(tmp_path, precision):
    whole, _, _ = gradients(tmp_path)
    half, found, towers = gradients(tmp_path, compute={"precision": precision})
    assert half["loss"] == pytest.approx(whole["loss"], rel=0.05)
    assert all(p.dtype == torch.float32 for p in towers.parameters())
    assert all(bool(gradient.isfinite().all()) for gradient in found.values())


def test_only_lora_projections_and_text_learn_in_the_papers_way(tmp_path):
    _, found, towers = gradients(tmp_path, towers={**recipe(tmp_path).towers.model_dump(), "image": "lora"})
    image = {name for name in found if name.startswith("network.image.vit.")}
    assert image
    assert all(".linear_" in name for name in image)
    assert any(name.startswith("network.text.bert.encoder") for name in found)
    assert not any("pooler" in name for name in found)
    assert all(gradient is not None for gradient in found.values())
    assert {"network.logit_scale", "network.image.projection.projection.weight"} <= towers.heads


def test_frozen_towers_stay_in_evaluation_mode(tmp_path):
    made = {**recipe(tmp_path).towers.model_dump(), "image": "frozen", "text": "frozen"}
    _, found, towers = gradients(tmp_path, towers=made)
    assert set(found) == {
        "network.logit_scale",
        "network.image.projection.projection.weight",
        "network.text.projection.projection.weight",
    }
    assert isinstance(towers.network.text.bert, nn.Module)
    assert not towers.network.text.bert.training
    assert towers.network.text.projection.training
