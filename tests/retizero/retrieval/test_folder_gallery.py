"""A gallery in a folder survives damage, kills and strangers, and additions leave its large index alone."""

import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from retizero.retrieval import Gallery, GalleryError, folder_gallery, gpu
from retizero.retrieval.folder_gallery import FolderGallery
from tests.conftest import REPOSITORY
from tests.retizero.retrieval.sample_gallery import IDENTITY, records, unit


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "empty"])
def test_the_index_file_is_only_a_cache(tmp_path, damage, small_indices):
    vectors = unit(200)
    Gallery.build(tmp_path / "g", vectors, records(200), IDENTITY, "hnsw").search(vectors[:1], 1)
    (cache,) = (tmp_path / "g").glob("index-*.faiss")
    content = bytearray(cache.read_bytes())
    cache.unlink()  # written anew, as a gallery that is open keeps its own
    if damage == "cut":
        cache.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 255
        cache.write_bytes(content)
    elif damage == "empty":
        cache.write_bytes(b"")
    gallery = Gallery.open(tmp_path / "g")
    assert gallery.search(vectors[7:8], 1)[0][0].id == "r7"


def test_adding_and_removing_leave_the_large_index_as_it_is(tmp_path, small_indices):
    vectors = unit(400)
    gallery = Gallery.build(tmp_path / "g", vectors[:200], records(200), IDENTITY, "hnsw")
    (large,) = (tmp_path / "g").glob("index-*.faiss")
    stamp = large.stat().st_mtime_ns
    for start in range(200, 400, 40):
        gallery = gallery.add(vectors[start : start + 40], records(40, start=start))
        gallery = gallery.remove([f"r{start - 1}"])
        assert gallery.search(vectors[start : start + 1], 1)[0][0].id == f"r{start}"
    assert large.stat().st_mtime_ns == stamp
    assert (
        len(list((tmp_path / "g").glob("vectors-*.npy"))) == 3
    )  # what was built, one full, one being filled
    assert len(gallery) == 395


def test_a_stale_index_is_not_used(tmp_path, small_indices):
    vectors = unit(200)
    gallery = Gallery.build(tmp_path / "g", vectors, records(200), IDENTITY, "ivf")
    gallery = gallery.remove(["r0"]).add(-vectors[:1], records(1, start=900)).compact()
    assert gallery.search(-vectors[:1], 1)[0][0].id == "r900"


def test_vectors_are_memory_mapped(tmp_path):
    Gallery.build(tmp_path / "g", unit(50), records(50), IDENTITY)
    assert isinstance(Gallery.open(tmp_path / "g").vectors.base, np.memmap)


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(GalleryError, match="not a gallery"):
        Gallery.build(tmp_path, unit(2), records(2), IDENTITY)
    with pytest.raises(GalleryError, match="not a gallery"):
        Gallery.open(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_another_programs_database_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "records.sqlite") as connection:
        connection.execute("CREATE TABLE patients (name)")
    connection.close()
    for attempt in (Gallery.open, lambda folder: Gallery.build(folder, unit(2), records(2), IDENTITY)):
        with pytest.raises(GalleryError, match=r"not a gallery|no gallery"):
            attempt(tmp_path)
    with sqlite3.connect(tmp_path / "records.sqlite") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("patients",)]
    connection.close()


@pytest.mark.parametrize(("written", "word"), [("1", "an older"), ("99", "a newer")])
def test_a_gallery_of_another_version_is_refused_and_can_be_built_again(tmp_path, written, word):
    Gallery.build(tmp_path / "g", unit(5), records(5), IDENTITY)
    with sqlite3.connect(tmp_path / "g/records.sqlite") as connection:
        connection.execute("UPDATE facts SET value = ? WHERE name = 'format'", [written])
    connection.close()
    with pytest.raises(GalleryError, match=f"{word} version"):
        Gallery.open(tmp_path / "g")
    assert len(Gallery.build(tmp_path / "g", unit(6), records(6), IDENTITY)) == 6


def test_damaged_files_are_reported_in_words(tmp_path):
    Gallery.build(tmp_path / "g", unit(5), records(5), IDENTITY)
    shutil.copytree(tmp_path / "g", tmp_path / "h")
    next((tmp_path / "g").glob("vectors-*.npy")).write_bytes(b"nothing")
    with pytest.raises(GalleryError, match=r"vectors .* damaged"):
        Gallery.open(tmp_path / "g")
    (tmp_path / "h/records.sqlite").write_bytes(b"nothing" * 100)
    with pytest.raises(GalleryError, match=r"records .* damaged"):
        Gallery.open(tmp_path / "h")


def test_the_next_writer_clears_away_what_a_killed_one_left(tmp_path):
    vectors = unit(6)
    gallery = Gallery.build(tmp_path / "g", vectors[:5], records(5), IDENTITY)
    for name in ("vectors-orphan.npy", "index-orphan-hnsw.faiss", ".vectors-half.npy.x.tmp"):
        (tmp_path / "g" / name).write_bytes(b"half")
    assert len(Gallery.open(tmp_path / "g")) == 5
    gallery.add(vectors[5:], records(1, start=5))
    assert not [file for file in (tmp_path / "g").iterdir() if "orphan" in file.name or "half" in file.name]


def test_a_gallery_is_read_while_another_one_is_being_built_in_its_place(tmp_path, monkeypatch):
    vectors = unit(8)
    Gallery.build(tmp_path / "g", vectors, records(8), IDENTITY)
    seen = []

    def look_and_write(*arguments):
        seen.append(Gallery.open(tmp_path / "g").search(vectors[3:4], 1)[0][0].id)
        written(*arguments)
        seen.append(len(Gallery.open(tmp_path / "g")))

    written = folder_gallery.write_vectors
    monkeypatch.setattr(folder_gallery, "write_vectors", look_and_write)
    assert len(Gallery.build(tmp_path / "g", unit(3, seed=1), records(3, start=50), IDENTITY)) == 3
    assert seen == ["r3", 8]


def test_writers_and_builders_that_are_killed_leave_the_last_or_the_next_state(tmp_path):
    """The script kills a process in the middle of build, add, remove and update, many times over."""
    script = [sys.executable, "-m", "tests.retizero.retrieval.killed_writers", str(tmp_path / "g"), "40"]
    done = subprocess.run(script, cwd=REPOSITORY, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 killed" in done.stdout


def test_on_a_gpu_the_copy_there_answers(tmp_path, monkeypatch, small_indices):
    vectors, asked = unit(200), []

    class OnGpu:
        def search(self, queries, fetch):
            asked.append(len(queries))
            scores = queries @ vectors.T
            rows = np.argsort(-scores, axis=1)[:, :fetch]
            return np.take_along_axis(scores, rows, 1), rows

    monkeypatch.setattr(gpu, "is_there", lambda: True)
    monkeypatch.setattr(gpu, "copy_to_gpu", lambda stored, kind, index: OnGpu())
    gallery = Gallery.build(tmp_path / "g", vectors, records(200), IDENTITY, "ivf")
    assert gallery.search(vectors[9:10], 3)[0][0].id == "r9"
    assert asked == [1]
    assert isinstance(gallery, FolderGallery)
