"""The commands keep the contracts: one JSON document on stdout, sentences on stderr, 0, 1 or 2."""

import subprocess
import sys

import pytest

from retizero.cli import main
from retizero.knowledge import label_sets


def test_classify_answers_every_file_it_can_and_names_the_others(ask, photographs):
    (photographs / "notes.txt").write_text("not a picture")
    rows = ask(
        "classify", photographs / "0.png", photographs / "notes.txt", photographs / "none.png", "--top-k", 2
    )
    assert [row["gate"]["is_fundus"] for row in rows] == [True, False, False]
    assert set(rows[0]) == {
        *("image", "gate", "predictions", "conformal_set", "coverage", "uncertainty", "model")
    }
    assert len(rows[0]["predictions"]) == 2
    assert "text file" in rows[1]["error"]
    assert rows[1]["predictions"] == []
    assert rows[1]["model"]["id"] == "fake"
    assert "does not exist" in rows[2]["error"]


@pytest.mark.parametrize("spec", ["demo14", "glaucoma; CRVO", "FILE"])
def test_classify_takes_a_set_a_list_or_a_file(ask, photographs, spec):
    if spec == "FILE":
        spec = photographs / "labels.txt"
        spec.write_text("glaucoma\nCRVO\n")
    (row,) = ask("classify", photographs / "0.png", "--labels", spec, "--top-k", 99)
    assert len(row["predictions"]) == (14 if spec == "demo14" else 2)


def test_classify_has_a_default_list_that_exists(ask, photographs):
    (row,) = ask("classify", photographs / "0.png")
    assert len(row["predictions"]) == 5
    assert "fundus42" in label_sets()


def test_without_json_a_table_is_printed(run, photographs):
    status, out, _ = run("classify", photographs / "0.png", "--labels", "demo14")
    assert status == 0
    assert "probability" in out
    assert "{" not in out


def test_the_known_models_are_listed(ask):
    models = ask("models", "list")
    assert "retizero-mini" in [model["id"] for model in models]
    assert all({"id", "title", "licence", "source", "present"} <= set(model) for model in models)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("classify",), "IMAGE"),
        (("classify", "x.png", "--top-k", "0"), "top-k"),
        (("classify", "x.png", "--labels", "gone.txt"), "gone.txt"),
        (("evaluate", "zero-shot"), "--manifest"),
        (("evaluate", "zero-shot", "--manifest", "gone.csv"), "gone.csv does not exist"),
        (("evaluate", "retrieval", "--gallery", "gone.csv"), "gone.csv does not exist"),
        (("index", "info", "--index", "gone"), "not a gallery"),
        (("index", "search", "--index", "gone"), "--image, --text, or both"),
        (("index", "search", "--index", "gone", "--image", "gone.png"), "gone.png does not exist"),
        (("index", "build", "--manifest", "m.csv", "--index", "i", "--kind", "tree"), "tree"),
        (("nonsense",), "nonsense"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_status_2(run, arguments, words):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_our_own_fault_is_one_sentence_and_status_1_and_debugging_shows_more(
    capsys, monkeypatch, photographs
):
    def broken(model, device):
        raise RuntimeError("tower\nfell")

    arguments = ["classify", str(photographs / "0.png")]
    assert main(arguments, load_engine=broken) == 1
    err = capsys.readouterr().err
    assert "tower fell" in err
    assert len(err.strip().splitlines()) == 1
    monkeypatch.setenv("RETIZERO_DEBUG", "1")
    assert main(arguments, load_engine=broken) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_is_said_and_leaves_no_half_file(capsys, photographs):
    def interrupted(model, device):
        raise KeyboardInterrupt

    out = photographs / "r.json"
    status = main(
        ["evaluate", "zero-shot", "--manifest", str(photographs / "manifest.csv"), "--out", str(out)],
        load_engine=interrupted,
    )
    assert status == 130
    assert "Interrupted" in capsys.readouterr().err
    assert not out.exists()


def test_looking_things_up_imports_no_torch():
    code = (
        "import sys; from retizero.cli import main; "
        "main(['--help']); main(['knowledge', 'resolve', 'CRVO', '--json']); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
