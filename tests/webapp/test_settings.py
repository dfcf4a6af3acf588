"""Settings come from the command line, then the environment, then defaults."""

import pytest

from webapp.settings import Settings, parse_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"RETIZERO_{name.upper()}", raising=False)
    monkeypatch.delenv("SPACE_ID", raising=False)


def test_the_command_line_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("RETIZERO_PORT", "8001")
    monkeypatch.setenv("RETIZERO_MODEL", "somewhere")
    settings = parse_settings(["--port", "8002"])
    assert (settings.port, settings.model) == (8002, "somewhere")


def test_the_default_listens_on_this_machine_only_except_on_a_space(monkeypatch):
    assert parse_settings([]).host == "127.0.0.1"
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    assert parse_settings([]).host == "0.0.0.0"


def test_the_default_database_is_a_file_in_the_data_folder(tmp_path):
    settings = parse_settings(["--data", str(tmp_path / "here")])
    assert settings.database_url == f"sqlite:///{tmp_path / 'here' / 'retizero.db'}"


def test_passwords_are_not_printed():
    settings = parse_settings(["--database", "postgresql://reader:hunter2@db/study"])
    assert "hunter2" not in settings.describe()
    assert "postgresql://reader:***@db/study" in settings.describe()


@pytest.mark.parametrize(
    "arguments",
    [["--port", "http"], ["--port", "70000"], ["--database", "not a url"], ["--device", "abacus"]],
)
def test_a_bad_value_is_one_sentence_and_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse_settings(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert arguments[0].strip("-") in error
    assert "Traceback" not in error
