"""Training configurations are read strictly."""

from pathlib import Path

import pytest

from retizero.training.config import ConfigError, read_config

REPOSITORY = Path(__file__).parents[3]


def test_every_configuration_of_the_repository_can_be_read():
    config = read_config(REPOSITORY / "configs" / "retizero-mini.yaml")
    assert config.id == "retizero-mini"
    assert config.out == "build/retizero-mini-start"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id: a\ntitle: b\nout: c\nepoch: 3\n", "unknown settings epoch"),
        ("id: a\nout: c\n", "lacks title"),
        ("id: a\ntitle: b\nout: c\nloss: {clipp: 1}\n", "unknown settings clipp"),
        ("id: a\ntitle: b\nout: c\nepochs: many\n", "epochs must be a whole number"),
        ("id: a\ntitle: b\nout: c\nlearning_rate: 1e\n", "learning_rate must be a number"),
        ("- id\n", "settings by name"),
        ("id: [\n", "not valid YAML"),
    ],
)
def test_a_wrong_configuration_is_refused_with_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        read_config(path)


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be opened"):
        read_config(tmp_path / "nowhere.yaml")
