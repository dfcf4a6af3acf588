"""A run on activations looks at where it writes first, and keeps what was there before."""

from types import SimpleNamespace

import pytest

from retizero.training.average import Combined, write_combined
from retizero.training.checkpoint import CheckpointError, save_checkpoint, sole_run
from retizero.training.config import ConfigError, PretrainConfig
from retizero.training.diverged import DivergedError
from retizero.training.loop import train
from retizero.training.pretrain import pretrain
from tests.retizero.training.test_loop import tiny_config, tiny_learner, tiny_problem


class PreparedError(Exception):
    """Stands for everything that a run does after it has looked at where it writes."""


@pytest.fixture
def prepared(monkeypatch):
    """Folders that runs were prepared in; each leaves a file there and ends."""
    folders = []

    def prepare(config, manifest, work):
        folders.append(work)
        work.mkdir()
        (work / "made").touch()
        raise PreparedError

    monkeypatch.setattr("retizero.training.pretrain.prepare", prepare)
    return folders


def settings(folder, **changes):
    values = {"id": "a", "title": "a", "out": str(folder / "model"), "checkpoints": str(folder / "kept")}
    return PretrainConfig(**{**values, **changes})


def test_an_unusable_place_is_refused_before_anything_is_read(tmp_path, prepared):
    (tmp_path / "file").touch()
    for changes in (
        {"out": str(tmp_path / "file")},
        {"out": "."},
        {"out": str(tmp_path / "file/model")},
        {"checkpoints": str(tmp_path / "file")},
    ):
        with pytest.raises(ConfigError):
            pretrain(settings(tmp_path, **changes), None)
    assert not prepared
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_second_run_of_the_same_id_is_refused_before_it_writes(tmp_path, prepared):
    with (
        sole_run(tmp_path / "kept" / "a.pt"),
        pytest.raises(CheckpointError, match=r"Another run is writing the checkpoint .*a\.pt"),
    ):
        pretrain(settings(tmp_path), None)
    assert not prepared
    with pytest.raises(PreparedError):
        pretrain(settings(tmp_path), None)


def test_a_run_that_ends_early_leaves_neither_work_nor_a_mark_on_what_was_there(tmp_path, prepared):
    for name in ("model", "model.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").touch()
    save_checkpoint(tmp_path / "kept/a.pt", {"run": "before"})
    with pytest.raises(PreparedError):
        pretrain(settings(tmp_path), None)
    assert not prepared[0].exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "model", "model.partial"]
    assert [path.name for path in tmp_path.glob("model*/*")] == ["mine", "mine"]
    assert (tmp_path / "kept/a.pt").exists()


def test_a_diverged_run_leaves_the_model_that_was_there(tmp_path, monkeypatch):
    images, prompts = tiny_problem()
    run = SimpleNamespace(learner=tiny_learner(), images=images, prompts=prompts, evaluate=None)
    monkeypatch.setattr("retizero.training.pretrain.prepare", lambda config, manifest, work: run)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.safetensors").write_text("good")
    with pytest.raises(DivergedError):
        pretrain(settings(tmp_path, head_learning_rate=1e20, batch=16), None)
    assert (tmp_path / "model/model.safetensors").read_text() == "good"
    assert [path.name for path in (tmp_path / "kept").glob("*.pt")] == []


def test_starting_anew_puts_checkpoints_of_earlier_runs_aside_and_says_where(tmp_path):
    images, prompts = tiny_problem()
    checkpoint, told = tmp_path / "run.pt", []
    for text in ("first", "second"):
        checkpoint.write_text(text)
        train(
            *(tiny_learner(), images, prompts, tiny_config(), lambda _: {"score": 0.5}, told.append),
            checkpoint=checkpoint,
        )
    assert (tmp_path / "run.old.pt").read_text() == "first"
    assert (tmp_path / "run.old2.pt").read_text() == "second"
    aside = [line for line in told if "earlier run" in line]
    assert aside == [
        f"The checkpoint of an earlier run is now {tmp_path / name}."
        for name in ("run.old.pt", "run.old2.pt")
    ]


def test_an_average_looks_at_its_place_first(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file; name another place"):
        write_combined(Combined({}, {}), [], tmp_path / "file", tmp_path / "none", "fundus42", 64, False)
