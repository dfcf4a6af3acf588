"""Settings of training on activations that cannot be meant are refused before anything is read or written."""

import math
from pathlib import Path

import pytest
import yaml

from retizero.cli import main
from retizero.training.config import ConfigError, LossWeights, PretrainConfig
from retizero.training.strict_settings import settings_of

NEEDED = {"id": "a", "title": "b", "out": "c"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", ["../x", "", ".hidden", "a/b", 5]),
        ("out", [5, None]),
        ("epochs", [0, -1, True, "many"]),
        ("batch", [0, -2, 1.5]),
        ("views", [-1]),
        ("checkpoint_every", [0]),
        ("seed", [-1, 2**63]),
        ("size", [0]),
        ("crop", ["bogus"]),
        ("prompt_style", ["bogus"]),
        ("template", ["no place for a label"]),
        ("embed_dim", [0]),
        ("frequent_pieces", [-1]),
        ("frozen_stages", [-1, 9]),
        ("learning_rate", [-1, 0, math.nan, math.inf, 1e38, "fast"]),
        ("head_learning_rate", [-1, 0, math.nan]),
        ("layer_decay", [0, 2]),
        ("weight_decay", [-1, 1e7]),
        ("warmup", [-0.1, 2]),
        ("balance", [-1000, 1000]),
        ("source_balance", [-1, math.nan]),
        ("phantoms", [-1]),
        ("mixup", [-1, math.inf]),
        ("keep", ["bogus"]),
        ("drop", [-0.1, 1, 2]),
        ("ema", [-0.1, 1, 2]),
        ("mirror", ["no", 1]),
        (
            "augmentation",
            [3, None, [1], {"zoom": 1}, {1: 2, "zoom": 1}, {"min_scale": 0}, {"gain": math.nan}],
        ),
        ("loss", [None, [1], {"smoothing": 5}, {"secondary": 2}, {"clip": -1}, {"identical": "no"}]),
    ],
)
def test_an_impossible_value_is_refused_by_the_name_of_its_setting(name, values):
    for value in values:
        with pytest.raises(ConfigError, match=rf"^mini\.yaml: (there is no setting )?{name}\b[^\n]*\.$"):
            settings_of({**NEEDED, name: value}, PretrainConfig, "mini.yaml")


def test_a_run_of_no_loss_at_all_is_refused():
    with pytest.raises(ConfigError, match="clip, siglip, prototype, text and evidential must count"):
        settings_of({**NEEDED, "loss": {"clip": 0, "prototype": 0, "text": 0}}, PretrainConfig, "mini.yaml")


def test_numbers_are_read_as_yaml_writes_them():
    values = yaml.safe_load("{learning_rate: 1e-3, head_learning_rate: 2, loss: {clip: 1}}")
    settings = settings_of({**NEEDED, **values}, PretrainConfig, "mini.yaml")
    assert (settings.learning_rate, settings.head_learning_rate) == (0.001, 2.0)
    assert settings.loss == LossWeights(clip=1.0)


def test_plain_values_make_the_same_settings_again():
    settings = PretrainConfig(**NEEDED, loss=LossWeights(evidential=0.5), mixup=0.2)
    assert PretrainConfig.model_validate(settings.to_dict()) == settings
    assert settings.to_dict()["augmentation"]["min_scale"] == 0.75


@pytest.mark.parametrize("text", ["epochs: 0", "loss:", "out: 5", "mirror: 'no'", "id: ../x"])
def test_the_command_says_it_in_one_line_and_leaves_no_trace(tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    Path("mini.yaml").write_text(yaml.safe_dump({**NEEDED, **yaml.safe_load(text)}))
    status = main(["train", "pretrain", "--config", "mini.yaml", "--manifest", "none.csv"])
    told = capsys.readouterr().err
    assert status == 2
    assert told.startswith(f"mini.yaml: {text.split(':')[0]}: ")
    assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mini.yaml"]


def test_torchrun_is_refused_before_anything_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    path = tmp_path / "mini.yaml"
    path.write_text("title: no id\n")
    assert main(["train", "pretrain", "--config", str(path), "--manifest", "none.csv"]) == 2
    assert "trains in one process; start it without torchrun" in capsys.readouterr().err
