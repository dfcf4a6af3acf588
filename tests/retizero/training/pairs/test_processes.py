"""Two processes learn what one learns, and a process that is killed loses nothing."""

import json
import os
import random
import re
import signal
import time

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.retizero.real_processes import run_command, start, start_together
from tests.retizero.training.pairs.compared_losses import compare_losses
from tests.retizero.training.pairs.tiny_pairs import recipe, settings, write_discs

LOSSES = {
    "the paper's": {},
    "same labels are positives": {"loss": {"positives": "same"}},
    "sigmoid": {"loss": {"clip": 0.0, "siglip": 1.0, "evidential": 0.0, "positives": "same"}},
    "in parts": {"compute": {"micro_batch": 2}},
    "sharded": {"compute": {"processes": "fsdp"}},
    "sharded, in parts": {"compute": {"processes": "fsdp", "micro_batch": 2}, "loss": {"positives": "same"}},
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Losses, gradients and their norm, of one process and of two."""
    folder = tmp_path_factory.mktemp("losses")
    recipes = {
        name: recipe(folder, **{"loss": {"positives": "pairs"}, **changes})
        for name, changes in LOSSES.items()
    }
    start_together(compare_losses, 1, recipes, folder / "one.pt")
    start_together(compare_losses, 2, recipes, folder / "two.pt")
    return torch.load(folder / "one.pt"), torch.load(folder / "two.pt")


@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_have_the_losses_and_gradients_of_one(compared, name):
    (one, gradients, norm), (two, shared, shared_norm) = compared[0][name], compared[1][name]
    assert torch.allclose(one, two, atol=1e-5)
    assert gradients.keys() == shared.keys()
    for weight, gradient in gradients.items():
        apart = float((shared[weight] - gradient).abs().max())
        assert apart <= 1e-5 * max(1.0, float(gradient.abs().max())), weight
    assert float(shared_norm) == pytest.approx(float(norm), rel=1e-5)


def written_recipe(folder, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(settings(folder, **changes)), encoding="utf-8")
    return path


def command(folder, manifest, *more, **changes):
    config = written_recipe(folder, **changes)
    return ["train", "pretrain", "--config", str(config), "--manifest", str(manifest), *more]


@pytest.mark.parametrize("how", ["ddp", "fsdp"])
def test_a_run_of_two_processes_is_the_run_of_one(tmp_path, how):
    manifest = write_discs(tmp_path / "discs")
    changes = {"optimiser": {"average": 0.9}, "validation": {"label_set": "demo14"}}
    histories = []
    for count, folder in ((1, tmp_path / "one"), (2, tmp_path / "two")):
        arguments = command(folder, manifest, **changes, compute={"processes": how})
        start_together(run_command, count, arguments, folder / "told.txt")
        histories.append(json.loads((folder / "model/learning_curve.json").read_text()))
    for one, two in zip(*histories, strict=True):
        assert two == pytest.approx(one, abs=1e-5)
    one, two = (load_file(tmp_path / name / "model/model.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        # Attention does not depend on the bias of keys: its gradient is rounding, which Adam makes large.
        if not name.endswith(".key.bias"):
            assert torch.allclose(tensor, two[name], atol=2e-4), name
    assert "2 processes on cpu" in (tmp_path / "two/told.txt").read_text()


def test_half_precision_trains_sharded_weights(tmp_path):
    manifest = write_discs(tmp_path / "discs")
    compute, validation = {"processes": "fsdp", "precision": "fp16"}, {"label_set": "demo14"}
    arguments = command(tmp_path, manifest, compute=compute, validation=validation, epochs=10)
    start_together(run_command, 2, arguments, tmp_path / "told.txt")
    history = json.loads((tmp_path / "model/learning_curve.json").read_text())
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]  # the first steps overflow and are left out


def killed_after(process, checkpoint, told, number, delay):
    """Kill a process ``delay`` seconds after it wrote its ``number``-th checkpoint, or began for 0."""
    seen, before = 0, stamp(checkpoint)
    while process.exitcode is None:
        if (now := stamp(checkpoint)) != before:
            seen, before = seen + 1, now
        if seen >= number and told.exists():
            time.sleep(delay)
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            return
        time.sleep(0.001)
    raise AssertionError("the run ended before it could be killed")


def stamp(path):
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def test_a_run_killed_again_and_again_ends_with_identical_weights(tmp_path):
    manifest = write_discs(tmp_path / "discs")
    changes = {
        "epochs": 4,
        "checkpoint_every": 1,
        "optimiser": {"average": 0.9},
        "towers": {**settings(tmp_path)["towers"], "bert_sizes": dropout(tmp_path)},
        "compute": {"micro_batch": 4},
    }
    whole = command(tmp_path / "whole", manifest, **changes)
    start_together(run_command, 1, whole, tmp_path / "whole.txt")
    killed = command(tmp_path / "killed", manifest, "--resume", **changes)
    told, moments = tmp_path / "killed.txt", random.Random(0)
    for number in (0, 2, 1, 1):
        process = start(run_command, killed, told)
        checkpoint = tmp_path / "killed/checkpoints/tiny.pt"
        killed_after(process, checkpoint, told, number, moments.uniform(0, 0.1))
    start_together(run_command, 1, killed, told)
    assert "Going on at epoch" in told.read_text()
    for file in ("model.safetensors", "learning_curve.json", "identity.json"):
        one, two = (tmp_path / name / "model" / file for name in ("whole", "killed"))
        assert one.read_bytes() == two.read_bytes(), file


def dropout(folder):
    sizes = settings(folder)["towers"]["bert_sizes"]
    return {**sizes, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def test_a_mistake_is_told_once_whatever_the_number_of_processes(tmp_path):
    arguments = command(tmp_path / "run", tmp_path / "missing.csv")
    running = []
    for rank, size in ((0, 1), (None, 2)):
        told = tmp_path / f"told{size}.txt"
        if rank is not None:
            process = start(run_command, arguments, told)
            process.join(120)
            assert process.exitcode == 2
        else:
            with pytest.raises(AssertionError):
                start_together(run_command, 2, arguments, told)
        running.append(told.read_text())
    assert all(len(re.findall("missing.csv does not exist", text)) == 1 for text in running)
