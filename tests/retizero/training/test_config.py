"""Training configurations are read strictly."""

import re
from pathlib import Path

import pytest

from retizero.training.errors import ConfigError
from retizero.training.labelled.recipe import LabelRecipe
from retizero.training.strict_settings import read_settings, read_yaml

REPOSITORY = Path(__file__).parents[3]


def test_the_steps_to_the_embedded_model_follow_from_one_another():
    folder = REPOSITORY / "configs" / "retizero-mini"
    script = (folder / "make.sh").read_text()
    made = {"build/mini-first"}  # the average of the first two
    for path in sorted(folder.glob("*.yaml")):
        config = read_settings(path, LabelRecipe)
        assert config.id == "retizero-mini"
        assert config.towers.start is None or str(config.towers.start) in made
        assert f"$recipes/{path.name}" in script
        made.add(str(config.out))
    assert set(re.findall(r"--model (build/mini-\S+) (build/mini-\S+)", script)) <= {
        (one, other) for one in made for other in made
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id: a\nout: c\nepoch: 3\n", "there is no setting epoch"),
        ("id: a\n", "the setting out is missing"),
        ("id: a\nout: c\nloss: {clipp: 1}\n", "there is no setting loss.clipp"),
        ("id: a\nout: c\nepochs: many\n", "epochs: .* valid integer"),
        ("id: a\nout: c\noptimiser: {learning_rate: 1e}\n", "learning_rate: .* valid number"),
        ("id: a\nout: c\nkeep: first\n", "keep: .* 'best' or 'last'"),
        ("- id\n", "settings by name"),
        ("id: [\n", "not valid YAML"),
    ],
)
def test_a_wrong_configuration_is_refused_with_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        read_settings(path, LabelRecipe)


def test_a_setting_that_is_there_twice_is_named(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("id: a\nloss: {clip: 1, text: 0, clip: 0}\n")
    with pytest.raises(ConfigError, match=r"twice.yaml: the setting clip is there twice\."):
        read_yaml(path)
    path.write_text("usual: &usual {clip: 1}\nloss: {<<: *usual, text: 0}\n")
    assert read_yaml(path)["loss"] == {"clip": 1, "text": 0}


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be opened"):
        read_settings(tmp_path / "nowhere.yaml", LabelRecipe)
