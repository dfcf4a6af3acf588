"""Settings of pretraining on labelled photographs that cannot be meant are refused first."""

import math
from pathlib import Path

import pytest
import yaml

from retizero.cli import main
from retizero.training.errors import ConfigError
from retizero.training.labelled.recipe import LabelRecipe
from retizero.training.strict_settings import settings_of

NEEDED = {"recipe": "labels", "id": "a", "out": "c"}


def made(values):
    return settings_of({**NEEDED, **values}, LabelRecipe, "mini.yaml")


def nested(name, value):
    *parts, last = name.split(".")
    values = {last: value}
    for part in reversed(parts):
        values = {part: values}
    return values


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", ["../x", "", ".hidden", "a/b", 5]),
        ("out", [5, None]),
        ("epochs", [0, -1, "many"]),
        ("batch", [0, -2, 1.5]),
        ("checkpoint_every", [0]),
        ("seed", [-1, 2**63]),
        ("keep", ["bogus"]),
        ("patience", [0]),
        ("data.prompt_style", ["bogus"]),
        ("data.template", ["no place for a label"]),
        ("data.balance", [-1000, 1000]),
        ("data.source_balance", [-1, math.nan]),
        ("data.phantoms", [-1]),
        ("picture.size", [0]),
        ("picture.crop", ["bogus"]),
        ("picture.views", [-1]),
        ("picture.mixup", [-1, math.inf]),
        ("picture.mirror", ["no", 1]),
        (
            "picture.augmentation",
            [3, None, [1], {"zoom": 1}, {1: 2, "zoom": 1}, {"min_scale": 0}, {"gain": math.nan}],
        ),
        ("towers.embed_dim", [0]),
        ("towers.frequent_pieces", [-1]),
        ("towers.frozen_stages", [-1, 9]),
        ("towers.drop", [-0.1, 1, 2]),
        ("optimiser.learning_rate", [-1, 0, math.nan, math.inf, "fast"]),
        ("optimiser.head_learning_rate", [-1, 0, math.nan]),
        ("optimiser.layer_decay", [0, 2]),
        ("optimiser.weight_decay", [-1]),
        ("optimiser.warmup_epochs", [-0.1]),
        ("optimiser.average", [-0.1, 1, 2]),
        ("compute.precision", ["bf8"]),
        ("loss", [None, [1], {"smoothing": 5}, {"secondary": 2}, {"clip": -1}, {"identical": "no"}]),
    ],
)
def test_an_impossible_value_is_refused_by_the_name_of_its_setting(name, values):
    for value in values:
        with pytest.raises(ConfigError, match=rf"^mini\.yaml: (there is no setting )?{name}\b[^\n]*\.$"):
            made(nested(name, value))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"loss": {"clip": 0, "prototype": 0, "text": 0}},
            "prototype, text and evidential must count",
        ),
        ({"towers": {"start": "build/a", "embed_dim": 64}}, "with start there is no embed_dim to choose"),
        ({"patience": 2, "keep": "last"}, "patience needs keep: best"),
        ({"compute": {"micro_batch": 8}}, "there is no micro_batch to choose"),
        ({"compute": {"processes": "fsdp"}}, "there is no processes to choose"),
    ],
)
def test_settings_that_contradict_or_would_do_nothing_are_refused(values, sentence):
    with pytest.raises(ConfigError, match=sentence):
        made(values)


def test_numbers_are_read_as_yaml_writes_them_and_the_rest_keeps_its_defaults():
    settings = made(
        yaml.safe_load("{optimiser: {learning_rate: 1e-3, head_learning_rate: 2}, loss: {clip: 1}}")
    )
    assert (settings.optimiser.learning_rate, settings.optimiser.head_learning_rate) == (0.001, 2.0)
    assert (settings.optimiser.betas, settings.optimiser.average) == ((0.9, 0.98), 0.98)
    assert (settings.loss.clip, settings.loss.prototype) == (1.0, 1.0)


def test_what_does_not_decide_the_weights_may_change_before_a_run_goes_on():
    one = made(
        {"title": "A", "cache": "b", "trained_on": "c", "checkpoint_every": 3, "compute": {"workers": 1}}
    )
    assert one.deciding() == made({}).deciding()
    assert made({}).deciding() != made({"picture": {"mixup": 0.1}}).deciding()


@pytest.mark.parametrize("text", ["epochs: 0", "loss:", "out: 5", "keep: 'no'", "id: ../x"])
def test_the_command_says_it_in_one_line_and_leaves_no_trace(tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    Path("mini.yaml").write_text(yaml.safe_dump({**NEEDED, **yaml.safe_load(text)}))
    status = main(["train", "pretrain", "--config", "mini.yaml", "--manifest", "none.csv"])
    told = capsys.readouterr().err
    assert status == 2
    assert told.startswith(f"mini.yaml: {text.split(':')[0]}: ")
    assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mini.yaml"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("recipe: labels\n", "trains in one process; start it without torchrun"),
        ("id: a\n", "recipe is pairs or labels, not None"),
        ("recipe: mae\n", "use retizero train mae"),
    ],
)
def test_what_is_no_run_of_this_command_is_refused_before_anything_is_read(
    tmp_path, monkeypatch, capsys, text, sentence
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    path = tmp_path / "mini.yaml"
    path.write_text(text)
    assert main(["train", "pretrain", "--config", str(path), "--manifest", "none.csv"]) == 2
    assert sentence in capsys.readouterr().err
