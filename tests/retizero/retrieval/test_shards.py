"""Embedding a large manifest: in shards, by several processes, resumed, every unreadable row named."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from retizero import phantom
from retizero.data import read_manifest
from retizero.retrieval.errors import GalleryError
from retizero.retrieval.shards import embed_to_shards, read_shards, vectors_file
from retizero.serving import Engine
from tests.retizero.real_processes import run_command, start_together
from tests.retizero.tiny_models import write_tiny_model

ROWS = 21


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A manifest of 21 rows, the seventh of a file that is no image, and a tiny model."""
    folder = tmp_path_factory.mktemp("photographs")
    rows = []
    for number in range(ROWS):
        picture = phantom.render(phantom.LABELS[number % 4], seed=number, size=96)
        Image.fromarray(picture).save(folder / f"{number}.png")
        rows.append((f"{number}.png", phantom.LABELS[number % 4], f"p{number // 2}", "test", "train"))
    (folder / "6.png").write_text("no image")
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "group", "source", "split"), *rows])
    write_tiny_model(folder / "model")
    return folder


def embed(photographs, out, processes=1, *more):
    arguments = ["embed", "--manifest", str(photographs / "manifest.csv"), "--out", str(out)]
    arguments += ["--model", str(photographs / "model"), "--shard-size", "4", "--device", "cpu", *more]
    start_together(run_command, processes, arguments, out.with_suffix(".txt"))
    return read_shards(out)


def test_two_processes_write_what_one_writes(photographs, tmp_path):
    one, two = embed(photographs, tmp_path / "one"), embed(photographs, tmp_path / "two", 2)
    assert len(two.vectors) == ROWS - 1
    assert np.array_equal(one.vectors, two.vectors)
    assert [record.id for record in two.records] == [record.id for record in one.records]
    assert two.rows == one.rows
    assert (tmp_path / "two/problems.csv").read_bytes() == (tmp_path / "one/problems.csv").read_bytes()
    assert "8," in (tmp_path / "two/problems.csv").read_text(), "row 8 of the file is the damaged one"
    told = (tmp_path / "two.txt").read_text()
    assert told.count("20 vectors in") == 1, "one process tells for all"


def test_two_processes_go_on_where_a_killed_run_stopped(photographs, tmp_path):
    whole = embed(photographs, tmp_path / "run", 2)
    kept = vectors_file(tmp_path / "run", 0).stat().st_mtime_ns
    for lost in (1, 4):
        vectors_file(tmp_path / "run", lost).unlink()
    with pytest.raises(GalleryError, match="shard 2 of 6 is missing"):
        read_shards(tmp_path / "run")
    again = embed(photographs, tmp_path / "run", 2, "--resume")
    assert np.array_equal(again.vectors, whole.vectors)
    assert vectors_file(tmp_path / "run", 0).stat().st_mtime_ns == kept, "whole shards stay"


def test_an_error_of_the_first_process_reaches_all(photographs, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/other.txt").write_text("something else")
    with pytest.raises(AssertionError):
        embed(photographs, tmp_path / "run", 2)
    assert (tmp_path / "run.txt").read_text().count("is not empty; choose another folder") == 2


def test_another_plan_does_not_mix_with_the_first(photographs, tmp_path):
    manifest, engine = read_manifest(photographs / "manifest.csv"), Engine.load(str(photographs / "model"))
    identity = engine.identity.to_dict()
    embed_to_shards(manifest, engine, identity, tmp_path / "run", shard_size=8)
    with pytest.raises(GalleryError, match="already holds embeddings"):
        embed_to_shards(manifest, engine, identity, tmp_path / "run", shard_size=8)
    with pytest.raises(GalleryError, match="begun with another shard_size"):
        embed_to_shards(manifest, engine, identity, tmp_path / "run", shard_size=4, resume=True)
    plan = json.loads((tmp_path / "run/embedding.json").read_text())
    assert plan["n_rows"] == ROWS
