"""What every end-to-end run stands on: order of the data, averaged weights, rates, parts of a state."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from retizero.training.errors import ConfigError
from retizero.training.running import precision
from retizero.training.running.average import AveragedWeights
from retizero.training.running.clock import Clock
from retizero.training.running.diverged import DivergedError
from retizero.training.running.loss_scale import LossScale
from retizero.training.running.order import Order
from retizero.training.running.schedule import warmup_then_cosine
from retizero.training.running.settings import Optimiser, Run
from retizero.training.running.state import RunState, seed_step
from retizero.training.running.world import World, clip_gradients, gradient_norm

CPU = torch.device("cpu")
ALONE = World(0, 1, CPU)


def run(**changes):
    return Run.model_validate({"id": "a", "out": "a", "batch": 4, "epochs": 3, **changes})


def test_an_epoch_takes_every_example_at_most_once_and_another_epoch_another_order():
    order = Order(11, run(), ALONE)
    first, second = order.whole(1), order.whole(2)
    assert order.steps == 2
    assert len(np.unique(first)) == 8
    assert not np.array_equal(first, second)
    assert np.array_equal(Order(11, run(), ALONE).whole(1), first)
    assert not np.array_equal(Order(11, run(seed=1), ALONE).whole(1), first)


def test_the_parts_of_all_processes_are_the_batch_of_one_and_any_step_can_be_found_again():
    one = Order(11, run(), ALONE).mine(2, 0)
    parts = [Order(11, run(), World(rank, 2, CPU)).mine(2, 0) for rank in (0, 1)]
    assert [left + right for left, right in zip(*parts, strict=True)] == one
    assert Order(11, run(), ALONE).mine(2, 1) == one[1:]


def test_weights_draw_rare_examples_more_often():
    weights = np.where(np.arange(100) < 10, 3.0, 1.0)
    drawn = np.concatenate([Order(100, run(batch=50), ALONE, weights).whole(epoch) for epoch in range(40)])
    # 10 * 3 of 10 * 3 + 90 * 1
    assert (drawn < 10).mean() == pytest.approx(0.25, abs=0.02)


def test_few_examples_are_one_batch_and_too_few_or_uneven_ones_are_told():
    assert Order(3, run(), ALONE).whole(1).shape == (1, 3)
    with pytest.raises(ConfigError, match="shared evenly by 3"):
        Order(30, run(), World(0, 3, CPU))
    with pytest.raises(ConfigError, match="too few"):
        Order(3, run(), World(0, 2, CPU))


def test_the_rate_rises_then_falls_to_zero_at_the_end_or_at_the_horizon():
    ends = warmup_then_cosine(100, 0.1)
    assert [ends(0), ends(9), ends(10)] == pytest.approx([0.1, 1.0, 1.0])
    assert ends(99) < 1e-3
    assert ends(55) == pytest.approx(0.5)
    paper = warmup_then_cosine(15, 1 / 15, 100)
    assert paper(14) == pytest.approx(0.5 * (1 + math.cos(math.pi * 13 / 99)))


def test_averaged_weights_follow_the_recurrence_and_give_way():
    weights = {"w": torch.zeros(2), "count": torch.tensor(0)}
    average = AveragedWeights(weights, 0.5)
    expected = 0.0
    for step in (1, 2, 60):
        weights["w"].add_(1.0)
        weights["count"].add_(1)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * float(weights["w"][0])
        average.follow(step)
    assert average.values["w"].tolist() == pytest.approx([expected] * 2)
    assert int(average.values["count"]) == 3
    with average.in_place():
        assert weights["w"].tolist() == pytest.approx([expected] * 2)
    assert weights["w"].tolist() == [3.0, 3.0]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 1))


def stepped(state, model, steps, begin=0):
    for step in range(begin, begin + steps):
        seed_step(0, step, 0)
        loss = model(torch.randn(4, 3)).square().mean()
        state.scaler.scale(loss).backward()
        state.apply()
        state.advance({"loss": loss})


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_state_goes_on_bit_for_bit(precision):
    settings = run(optimiser={"average": 0.9}, compute={"precision": precision})
    one = network()
    state = RunState(one, settings, set(), 5, "", "cpu")
    stepped(state, one, 5)
    halfway = network()
    before = RunState(halfway, settings, set(), 5, "", "cpu")
    stepped(before, halfway, 2)
    saved = before.state_dict()
    other = network()
    after = RunState(other, settings, set(), 5, "", "cpu")
    after.load_state_dict(saved)
    stepped(after, other, 3, 2)
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name])
    assert torch.equal(state.judged()["0.weight"], after.judged()["0.weight"])
    assert float(state.sums["loss"]) == float(after.sums["loss"])
    assert state.scaler.state_dict() == after.scaler.state_dict()


def test_a_step_that_overflows_in_fp16_changes_nothing_but_the_scale():
    model = network()
    state = RunState(model, run(compute={"precision": "fp16"}), set(), 5, "", "cpu")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    factor = state.scaler.value
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, torch.inf)
    state.apply()
    assert state.scaler.value == factor / 2
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.apply()
    assert not torch.equal(model.state_dict()["0.weight"], before["0.weight"])


def test_the_scale_of_losses_grows_in_calm_and_gives_up_in_the_end():
    scale = LossScale(enabled=True, value=4.0)
    assert all(scale.judge(1.0) for _ in range(2000))
    assert scale.value == 8.0
    again = LossScale(enabled=True)
    again.load_state_dict(scale.state_dict())
    assert again.state_dict() == scale.state_dict()
    with pytest.raises(DivergedError, match="bf16 or fp32"):
        assert not any(scale.judge(math.nan) for _ in range(100))


def test_heads_learn_faster_and_biases_do_not_decay_unless_the_release_is_followed():
    model = network()
    rules = Optimiser(learning_rate=1.0, head_learning_rate=5.0, weight_decay=0.1)
    state = RunState(model, run(optimiser=rules), {"2.weight"}, 1, "", "cpu")
    found = {
        id(p): (group["lr"], group["weight_decay"])
        for group in state.optimiser.param_groups
        for p in group["params"]
    }
    assert found[id(model[2].weight)] == (5.0, 0.1)
    assert found[id(model[0].weight)] == (1.0, 0.1)
    assert found[id(model[0].bias)] == found[id(model[1].weight)] == (1.0, 0.0)
    release = RunState(
        model, run(optimiser=rules.model_copy(update={"decay_all": True})), set(), 1, "", "cpu"
    )
    assert {group["weight_decay"] for group in release.optimiser.param_groups} == {0.1}


def test_gradients_are_clipped_to_the_norm_of_all_together():
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    weights[0].grad, weights[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    norm = gradient_norm(weights)
    assert float(norm) == pytest.approx(5.0)
    clip_gradients(weights, 1.0, norm)
    assert weights[0].grad.tolist() == pytest.approx([0.6, 0.0], abs=1e-5)
    assert weights[1].grad.tolist() == pytest.approx([0.8], abs=1e-5)


def test_the_clock_counts_from_where_a_run_was_resumed():
    times = iter([0.0, 60.0])
    clock = Clock(steps=100, done=50, now=lambda: next(times))
    assert clock.left(60) == "about 4 min left"


@pytest.mark.parametrize(("fast", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_automatic_precision_is_what_the_device_is_fast_in(monkeypatch, fast, kind):
    monkeypatch.setattr(precision, "computes_in_bfloat16", lambda device: fast)
    with precision.autocast("auto", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind
