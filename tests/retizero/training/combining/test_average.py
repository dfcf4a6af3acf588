"""The mean of the weights of several models."""

import math

import pytest
import torch
from safetensors.torch import save_file

from retizero.cli import main
from retizero.model.errors import ModelError
from retizero.phantom import write_dataset
from retizero.training.combining.average import average_models, mean_of
from tests.retizero.tiny_models import write_tiny_model


def test_floating_tensors_are_averaged_in_their_precision_and_counters_taken_from_the_last(tmp_path):
    for number, value in enumerate((1.0, 2.0, 6.0)):
        tensors = {"w": torch.full((2, 3), value, dtype=torch.float16), "n": torch.tensor(number)}
        save_file(tensors, tmp_path / f"{number}.safetensors")
    mean = mean_of([tmp_path / f"{number}.safetensors" for number in range(3)])
    assert mean["w"].dtype == torch.float16
    assert mean["w"].tolist() == [[3.0] * 3] * 2
    assert mean["n"] == 2


def test_shares_weigh_the_models(tmp_path):
    for name, value in (("a", 1.0), ("b", 5.0)):
        save_file({"w": torch.full((2,), value)}, tmp_path / f"{name}.safetensors")
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    assert mean_of(files, [1, 3])["w"].tolist() == [4.0, 4.0]


@pytest.mark.parametrize("shares", [(math.nan, 1.0), (math.inf, 1.0), (0.0, 0.0), (-1.0, 2.0), (1.0,)])
def test_shares_that_are_none_are_refused(tmp_path, shares):
    with pytest.raises(ModelError, match="one share for each model"):
        average_models(
            [tmp_path, tmp_path], tmp_path / "out", tmp_path / "m.csv", "fundus42", 64, False, shares
        )


def test_models_of_different_shape_are_refused_by_file(tmp_path):
    save_file({"w": torch.zeros(2)}, tmp_path / "a.safetensors")
    save_file({"w": torch.zeros(3)}, tmp_path / "b.safetensors")
    with pytest.raises(ModelError, match=r"b\.safetensors does not hold the same tensors"):
        mean_of([tmp_path / "a.safetensors", tmp_path / "b.safetensors"])


def test_the_command_makes_a_folder_and_leaves_those_beside_it(tmp_path):
    write_tiny_model(tmp_path / "one", seed=0)
    write_tiny_model(tmp_path / "two", seed=1)
    write_dataset(tmp_path / "data", 4, ["drusen"], 0)
    rows = (tmp_path / "data/manifest.csv").read_text().replace(",train\n", ",val\n")
    (tmp_path / "data/val.csv").write_text(rows)
    (tmp_path / "both.partial").mkdir()
    (tmp_path / "both.partial/mine").touch()
    models = [word for name in ("one", "two") for word in ("--model", str(tmp_path / name))]
    where = ["--out", str(tmp_path / "both"), "--manifest", str(tmp_path / "data/val.csv"), "--size", "64"]
    assert main(["train", "average", *models, *where]) == 0
    assert (tmp_path / "both/model.safetensors").exists()
    assert (tmp_path / "both.partial/mine").exists()
    assert not (tmp_path / ".both.partial").exists()
