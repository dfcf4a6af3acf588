"""A probe run end to end on a tiny model: table, heads, resuming, and what a user can get wrong."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from retizero.cli import main
from retizero.training.config import ConfigError
from retizero.training.probes.config import ProbeConfig
from retizero.training.strict_settings import read_settings
from tests.retizero.tiny_models import write_tiny_model

COLOURS = {"drusen": (200, 60, 20), "glaucoma": (40, 160, 60), "macular hole": (60, 60, 190)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny model and photographs whose disease is their colour, from two sources."""
    folder = tmp_path_factory.mktemp("probe")
    write_tiny_model(folder / "model")
    rng = np.random.default_rng(0)
    with (folder / "m.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["image", "label", "group", "split", "source"])
        for number in range(48):
            label = list(COLOURS)[number % 3]
            split = ("train", "train", "val", "test")[number // 3 % 4]
            pixels = np.clip(np.array(COLOURS[label]) + rng.normal(0, 25, (64, 64, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
            out.writerow([f"{number}.png", label, f"p{number}", split, "A" if number < 24 else "B"])
        (folder / "broken.png").write_bytes(b"not a picture")
        out.writerow(["broken.png", "drusen", "p90", "train", "A"])
        out.writerow(["gone.png", "drusen", "p91", "train", "A"])
        out.writerow(["0.png", "drusen", "p0", "train", "A"])
    return folder


def write(folder, name="c.yaml", **changes):
    values = {
        "manifest": str(folder / "m.csv"),
        "out": str(folder / "out"),
        "model": str(folder / "model"),
        "cache": str(folder / "cache"),
        "methods": ["zero-shot", "ss-text", "linear"],
        "shots": [2, "all"],
        "seeds": [0, 1],
        "resamples": 100,
        "domains": [{"name": "within"}, {"name": "A to B", "train_sources": ["A"], "test_sources": ["B"]}],
    }
    (folder / name).write_text(yaml.safe_dump(values | changes))
    return folder / name


def test_a_run_writes_one_table_tells_bad_rows_and_leaves_heads_that_classify(made, capsys):
    assert main(["train", "probe", "--config", str(write(made)), "--json"]) == 0
    said = capsys.readouterr()
    assert "gone.png does not exist" in said.err
    assert "broken.png" in said.err
    assert "listed before, in row 2" in said.err
    assert "left" in said.err
    rows = json.loads(said.out)["rows"]
    keys = [(row["domain"], row["method"], row["shots"]) for row in rows]
    assert keys[:5] == [
        ("within", "zero-shot", 0),
        ("within", "ss-text", 2),
        ("within", "ss-text", "all"),
        ("within", "linear", 2),
        ("within", "linear", "all"),
    ]
    assert len(rows) == 10
    few, every = rows[1], rows[4]
    assert (few["n_train"], few["seeds"], every["n_train"], every["seeds"]) == (6, 2, 24, 1)
    assert (every["n_test"], rows[9]["n_test"]) == (12, 6)
    assert every["measures"]["top1"]["value"] > 0.9
    assert (made / "out" / "results.csv").read_text().count("\n") == 11
    assert "A to B" in (made / "out" / "results.md").read_text()
    assert not (made / "out" / "rows.partial.json").exists()
    head = str(made / "out" / "heads" / "within-linear-all.json")
    test = ["evaluate", "classifier", head, "--manifest", str(made / "m.csv"), "--split", "test"]
    assert main([*test, "--model", str(made / "model"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["top_k"]["1"]["value"] == pytest.approx(every["measures"]["top1"]["value"])
    assert report["protocol"]["task"] == "classification by a trained classifier"
    assert main([*test]) == 2  # the model's id is no model that is known here
    joined = ["train", "table", str(made / "out" / "results.json"), str(made / "out" / "results.json")]
    assert main([*joined, "--out", str(made / "both"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 20


def test_an_interrupted_run_keeps_its_rows_and_ends_with_the_same_table(made, capsys, monkeypatch):
    path = write(made, "r.yaml", out=str(made / "whole"))
    assert main(["train", "probe", "--config", str(path)]) == 0
    path = write(made, "r.yaml", out=str(made / "cut"))
    from retizero.training.probes import run

    real, calls = run._row, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(run, "_row", dies)
    assert main(["train", "probe", "--config", str(path)]) == 130
    capsys.readouterr()
    calls.clear()
    calls.extend([1] * 10)
    assert main(["train", "probe", "--config", str(path), "--resume"]) == 0
    assert len(calls) == 17  # of ten rows three were kept
    whole, cut = (json.loads((made / n / "results.json").read_text())["rows"] for n in ("whole", "cut"))
    assert whole == cut
    (made / "cut" / "rows.partial.json").write_text(json.dumps({"run": "other", "rows": {}}))
    assert main(["train", "probe", "--config", str(path), "--resume"]) == 2
    assert "other settings" in capsys.readouterr().err


def test_strict_stops_after_telling_every_bad_row(made, capsys):
    path = write(made, "s.yaml", out=str(made / "strict"))
    assert main(["train", "probe", "--config", str(path), "--strict"]) == 2
    said = capsys.readouterr().err
    assert "gone.png" in said
    assert "3 rows cannot be used" in said
    assert not (made / "strict" / "results.json").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"methods": ["magic"]}, "no method 'magic'"),
        ({"features": "tower"}, "needs features: embedding"),
        ({"shot": [1]}, "no setting shot"),
        ({"shots": [0]}, "whole numbers from 1"),
        ({"seeds": []}, "seeds"),
        ({"domains": [{"name": "a"}, {"name": "a"}]}, "the same name"),
        ({"domains": [{"name": "a", "source": "B"}]}, "no setting domains.0.source"),
        ({"resamples": 1}, "resamples"),
    ],
)
def test_a_wrong_configuration_is_refused_with_one_sentence(made, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_settings(write(made, "w.yaml", **changes), ProbeConfig)


def test_probes_on_a_towers_own_features_need_no_text(made, capsys):
    changes = {"features": "tower", "methods": ["linear", "simple-shot"], "shots": ["all"]}
    path = write(made, "t.yaml", out=str(made / "tower"), domains=[{"name": "within"}], **changes)
    assert main(["train", "probe", "--config", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["features"] for row in rows] == ["tower", "tower"]
    assert rows[0]["measures"]["top1"]["value"] > 0.9


@pytest.mark.parametrize("name", ["probe-start", "probe-mini"])
def test_the_configurations_of_the_repository_can_be_read(name):
    folder = Path(__file__).parents[4] / "configs"
    config = read_settings(folder / f"{name}.yaml", ProbeConfig)
    assert config.manifest == Path("../shared/fundus/metadata.csv")
    assert config.domains[0].labels == "fundus42"
