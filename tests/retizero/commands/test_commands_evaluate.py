"""Measurements, comparisons and manifests from the command line."""

import json

import pytest


def test_evaluate_zero_shot_writes_and_prints_the_same_report(ask, photographs):
    out = photographs / "reports/r.json"
    report = ask("evaluate", "zero-shot", "--manifest", photographs / "manifest.csv", "--out", out)
    written = json.loads(out.read_text())
    assert [row["image"] for row in written.pop("images")] == [f"{number}.png" for number in range(9)]
    assert report == written
    assert report["n"] == 9
    assert report["top_k"]["1"]["value"] == 1.0
    assert report["model"]["id"] == "fake"


def test_evaluate_can_take_one_split(ask, photographs):
    report = ask("evaluate", "zero-shot", "--manifest", photographs / "manifest.csv", "--split", "test")
    assert report["n"] == 6
    assert report["protocol"]["split"] == "test"


def test_evaluate_retrieval_leaves_one_out(ask, photographs):
    report = ask("evaluate", "retrieval", "--gallery", photographs / "manifest.csv")
    assert (report["n_gallery"], report["n_queries"]) == (9, 9)
    assert report["hit_at"]["1"]["value"] == 1.0
    assert report["precision_at"]["3"]["value"] == pytest.approx(2 / 3)


def test_two_results_are_compared_and_shown_again(ask, run, photographs):
    for name in ("first.json", "second.json"):
        ask("evaluate", "zero-shot", "--manifest", photographs / "manifest.csv", "--out", photographs / name)
    found = ask("evaluate", "compare", photographs / "first.json", photographs / "second.json")
    assert found["differences"]["top_k.1"]["value"] == 0
    page, table = photographs / "r.html", photographs / "r.md"
    status, out, _ = run("evaluate", "show", photographs / "first.json", "--html", page, "--markdown", table)
    assert status == 0
    assert "Top-1" in out
    assert page.read_text().startswith("<!doctype html>")
    assert "Top-1" in table.read_text()


def test_retrieval_is_reported_under_several_protocols(ask, photographs):
    rules = photographs / "strict.yaml"
    rules.write_text("relevant: primary label\nk: [1, 2]\n")
    report = ask(
        *("evaluate", "retrieval", "--gallery", photographs / "manifest.csv"),
        *("--protocol", "cosine", "--protocol", rules),
    )
    assert set(report["hit_at"]) == {"1", "3", "5"}
    assert set(report["other_protocols"]["strict"]["hit_at"]) == {"1", "2"}
    assert "images" not in report["other_protocols"]["strict"]


def test_leakage_between_two_splits(ask, photographs):
    manifest = photographs / "manifest.csv"
    found = ask("evaluate", "leakage", "--train", manifest, "--test", manifest, "--test-split", "test")
    assert found["counts"]["identical"] >= 6
    assert [row["group"] for row in found["groups_in_both"]] == [f"p{n}" for n in range(3, 9)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "compare", "none.json", "none.json"), "none.json cannot be read"),
        (("evaluate", "zero-shot", "--manifest", "manifest.csv", "--protocol", "mine"), "no protocol 'mine'"),
        (("manifest", "other", ".", "--out", "m.csv"), "layout 'other' is unknown"),
        (("manifest", "odir", ".", "--out", "m.csv"), "holds no table with the columns ID"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(run, photographs, monkeypatch, arguments, words):
    monkeypatch.chdir(photographs)
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert words in err


def test_a_public_data_set_becomes_a_manifest(ask, photographs):
    folder = photographs / "set/macular_hole"
    folder.mkdir(parents=True)
    (photographs / "0.png").rename(folder / "0.png")
    found = ask("manifest", "imagefolder", photographs / "set", "--out", photographs / "set.csv")
    assert found == {"out": str(photographs / "set.csv"), "images": 1, "problems": []}
