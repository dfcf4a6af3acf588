"""The commands keep the contracts: one JSON document on stdout, sentences on stderr, 0, 1 or 2."""

import csv
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from retizero.cli import main
from retizero.knowledge import label_sets

LABELS = ("glaucoma", "macular hole", "central retinal vein occlusion")


@dataclass(frozen=True)
class FakeIdentity:
    id: str = "fake"
    embed_dim: int = 3
    template: str = "A fundus photograph of {label}"
    weights_sha256: str = "00" * 32
    fingerprint: str = field(default="ff" * 32)

    def to_dict(self):
        return {"id": self.id, "embed_dim": self.embed_dim, "weights_sha256": self.weights_sha256}


class FakeAnswer:
    def __init__(self, predictions, identity):
        self.predictions, self.identity = predictions, identity

    def to_json(self):
        return {
            "gate": {"is_fundus": True, "quality": 0.5, "reason": "ok"},
            "predictions": self.predictions,
            "conformal_set": [],
            "coverage": None,
            "uncertainty": 0.5,
            "model": self.identity.to_dict(),
        }


class FakeEngine:
    """Embeds a picture as its mean colour: red is the first label, green the second, blue the third."""

    def __init__(self, identity=None):
        self.identity = identity or FakeIdentity()

    def embed_image(self, images):
        print("a library that prints to stdout")
        means = np.array([image.reshape(-1, 3).mean(axis=0) for image in images], np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def embed_text(self, texts):
        colours = {"Glaucoma": 0, "Macular hole": 1, "Central retinal vein occlusion": 2}
        return np.eye(3, dtype=np.float32)[
            [next((i for name, i in colours.items() if name.lower() in text.lower()), 0) for text in texts]
        ]

    def similarity(self, embeddings, labels):
        order = [next(i for i, name in enumerate(LABELS) if name in label.lower()) for label in labels.names]
        scores = embeddings[:, order].astype(float) + 1e-6
        return scores / scores.sum(axis=1, keepdims=True)

    def logits(self, embeddings, labels):
        return np.log(self.similarity(embeddings, labels))

    def conformal_sets(self, probabilities, labels):
        return tuple(() for _ in probabilities), None

    def classify(self, image, labels, top_k=5):
        predictions = [
            {"id": id, "label": name, "probability": 1 / len(labels.ids)}
            for id, name in zip(labels.ids, labels.names, strict=True)
        ][:top_k]
        return FakeAnswer(predictions, self.identity)


@pytest.fixture
def photographs(tmp_path):
    """Nine pictures of three diseases and a manifest."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(9):
        label = number % 3
        colour = np.full(3, 20)
        colour[label] = 180
        pixels = np.clip(random.normal(colour, 8, (64, 64, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append((f"{number}.png", LABELS[label], f"p{number}", "test" if number > 2 else "train"))
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "group", "split"), *rows])
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run a command with the fake engine: status, stdout, stderr."""

    def run(*arguments, identity=None):
        status = main(
            [str(part) for part in arguments], load_engine=lambda model, device: FakeEngine(identity)
        )
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return status, captured.out, captured.err

    return run


@pytest.fixture
def ask(run):
    """Run a command that must succeed with --json, and return the document."""

    def ask(*arguments):
        status, out, err = run(*arguments, "--json")
        assert status == 0, err
        return json.loads(out)

    return ask


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


def test_an_index_is_built_searched_extended_and_reduced(ask, photographs):
    index = photographs / "index"
    built = ask(
        "index", "build", "--manifest", photographs / "manifest.csv", "--index", index, "--split", "test"
    )
    assert built["n"] == 6
    hits = ask("index", "search", "--index", index, "--image", photographs / "3.png", "--top-k", 2)
    assert [set(hit) for hit in hits] == [{"id", "image", "label", "similarity"}] * 2
    assert (hits[0]["image"], hits[0]["label"]) == ("3.png", "glaucoma")
    added = ask(
        "index", "add", "--manifest", photographs / "manifest.csv", "--index", index, "--split", "train"
    )
    assert (added["n"], added["added"]) == (9, 3)
    assert ask("index", "remove", "--index", index, "--id", "3.png", "--id", "4.png")["n"] == 7
    info = ask("index", "info", "--index", index)
    assert (info["n"], info["kind"], info["model"]["id"]) == (7, "flat", "fake")
    assert info["labels"]["glaucoma"] == 2


@pytest.mark.parametrize(
    ("text", "label"), [("CRVO", "central retinal vein occlusion"), ("黄斑裂孔", "macular hole")]
)
def test_an_index_is_searched_by_the_name_of_a_disease(ask, photographs, text, label):
    ask("index", "build", "--manifest", photographs / "manifest.csv", "--index", photographs / "i")
    hits = ask("index", "search", "--index", photographs / "i", "--text", text, "--top-k", 3)
    assert {hit["label"] for hit in hits} == {label}


def test_a_search_takes_conditions_and_both_a_photograph_and_words(ask, run, photographs):
    index = photographs / "i"
    ask("index", "build", "--manifest", photographs / "manifest.csv", "--index", index)
    search = ("index", "search", "--index", index, "--image", photographs / "3.png", "--top-k", 9)
    assert {hit["label"] for hit in ask(*search, "--label", "CRVO")} == {LABELS[2]}
    assert "3.png" not in {hit["id"] for hit in ask(*search, "--exclude-group", "p3")}
    assert [hit["id"] for hit in ask(*search, "--group", "p3")] == ["3.png"]
    assert ask(*search, "--site", "nowhere") == []
    assert ask(*search, "--text", "macular hole", "--text-share", 1)[0]["label"] == "macular hole"
    assert ask(*search, "--text", "macular hole", "--text-share", 0)[0]["id"] == "3.png"
    assert "3.png is nearly the same image as the gallery's 3.png" in run(*search)[2]


def test_adding_a_photograph_again_is_noticed(ask, photographs):
    index, manifest = photographs / "i", photographs / "manifest.csv"
    ask("index", "build", "--manifest", manifest, "--index", index, "--split", "test")
    (photographs / "again.png").write_bytes((photographs / "5.png").read_bytes())
    (photographs / "more.csv").write_text("image,label\nagain.png,glaucoma\n")
    added = ask("index", "add", "--manifest", photographs / "more.csv", "--index", index)
    assert added["near_duplicates"][0] | {"similarity": 1} == {
        "id": "again.png",
        "of": "5.png",
        "similarity": 1,
    }


def test_labels_of_a_gallery_are_corrected_and_it_is_compacted(ask, photographs):
    index, manifest = photographs / "i", photographs / "manifest.csv"
    ask("index", "build", "--manifest", manifest, "--index", index)
    (photographs / "new.csv").write_text("image,label,site\n3.png,drusen,SNEC\n")
    assert ask("index", "update", "--manifest", photographs / "new.csv", "--index", index)["updated"] == 1
    assert ask("index", "remove", "--index", index, "--id", "4.png")["n"] == 8
    assert ask("index", "compact", "--index", index)["n"] == 8
    info = ask("index", "info", "--index", index)
    assert (info["labels"]["drusen"], info["sites"]["SNEC"]) == (1, 1)


def test_a_gallery_is_built_from_embeddings_that_are_there(ask, run, photographs):
    out, index = photographs / "vectors", photographs / "i"
    ask("embed", "--manifest", photographs / "manifest.csv", "--out", out, "--shard-size", 4)
    assert ask("index", "build", "--embeddings", out, "--index", index)["n"] == 9
    hits = ask("index", "search", "--index", index, "--image", photographs / "4.png", "--top-k", 3)
    assert {hit["label"] for hit in hits} == {LABELS[1]}
    (out / "vectors-00001.npy").unlink()
    status, _, err = run("index", "build", "--embeddings", out, "--index", index)
    assert status == 2
    assert "not finished" in err


def test_a_gallery_of_another_model_is_refused_in_words(run, photographs):
    index = photographs / "i"
    assert run("index", "build", "--manifest", photographs / "manifest.csv", "--index", index)[0] == 0
    status, out, err = run(
        *("index", "search", "--index", index, "--image", photographs / "0.png"),
        identity=FakeIdentity(id="other"),
    )
    assert (status, out) == (2, "")
    assert "made by fake" in err
    assert "other" in err


def test_embed_writes_shards_and_continues_where_it_stopped(run, ask, photographs):
    out = photographs / "vectors"
    arguments = ("embed", "--manifest", photographs / "manifest.csv", "--out", out, "--shard-size", 4)
    assert ask(*arguments)["n"] == 9
    vectors = np.concatenate([np.load(file) for file in sorted(out.glob("vectors-*.npy"))])
    records = [
        each
        for file in sorted(out.glob("records-*.json"))
        for each in json.loads(file.read_text())["records"]
    ]
    assert vectors.shape == (9, 3)
    assert [each["id"] for each in records] == [f"{number}.png" for number in range(9)]
    kept = hashlib.sha256((out / "vectors-00000.npy").read_bytes()).hexdigest()
    stamp = (out / "vectors-00000.npy").stat().st_mtime_ns
    (out / "vectors-00001.npy").unlink()
    status, _, err = run(*arguments)
    assert status == 2
    assert "--resume" in err
    assert ask(*arguments, "--resume")["n"] == 9
    assert (out / "vectors-00000.npy").stat().st_mtime_ns == stamp
    assert hashlib.sha256((out / "vectors-00000.npy").read_bytes()).hexdigest() == kept
    status, _, err = run(*arguments[:-1], 5, "--resume")
    assert status == 2
    assert "shard_size" in err


def test_embed_lists_rows_it_cannot_read(ask, photographs):
    (photographs / "4.png").write_bytes(b"nothing")
    done = ask(
        "embed",
        "--manifest",
        photographs / "manifest.csv",
        "--out",
        photographs / "v",
        "--precision",
        "float16",
    )
    assert done["n"] == 8
    assert done["problems"][0].startswith("Row 6: ")
    assert np.load(photographs / "v/vectors-00000.npy").dtype == np.float16


def test_embed_writes_the_unread_rows_into_a_file_and_fails_where_that_is_asked_for(run, photographs):
    (photographs / "4.png").write_bytes(b"nothing")
    arguments = ("embed", "--manifest", photographs / "manifest.csv", "--out", photographs / "v")
    status, _, err = run(*arguments, "--strict")
    assert status == 2
    assert "1 rows have no vector" in err
    lines = (photographs / "v/problems.csv").read_text().splitlines()
    assert (lines[0], lines[1][:2], len(lines)) == ("row,problem", "6,", 2)


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
