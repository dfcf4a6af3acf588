"""Embedding, galleries and searches from the command line."""

import hashlib
import json

import numpy as np
import pytest

from tests.retizero.commands.conftest import LABELS, FakeIdentity


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
