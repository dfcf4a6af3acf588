"""A gallery finds what is nearest, changes all or nothing, and refuses other models."""

import multiprocessing
import shutil
import sqlite3

import numpy as np
import pytest

from retizero.retrieval import KINDS, Gallery, GalleryError, Record

IDENTITY = {
    "id": "tiny",
    "architecture": "none",
    "embed_dim": 16,
    "preprocess": {"size": 8},
    "weights_sha256": "ab" * 32,
    "temperature": 1.0,
}


def unit(number, seed=0, dimension=16):
    vectors = np.random.default_rng(seed).normal(size=(number, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def records(number, start=0, per_group=3):
    return [
        Record(f"r{i}", f"images/{i}.png", f"label {i % 4}", f"g{i // per_group}", "source", i % 2 == 0)
        for i in range(start, start + number)
    ]


def brute_force(vectors, entries, query, top_k, group=None):
    order = np.argsort(-(vectors @ query), kind="stable")
    return [entries[i].id for i in order if group is None or entries[i].group != group][:top_k]


@pytest.mark.parametrize("kind", KINDS)
def test_search_finds_what_comparing_with_every_vector_finds(tmp_path, kind):
    vectors, entries = unit(300), records(300)
    gallery = Gallery.build(tmp_path / "g", vectors, entries, IDENTITY, kind)
    queries = unit(20, seed=1)
    found = gallery.search(queries, 5)
    agreement = [
        len({hit.id for hit in hits} & set(brute_force(vectors, entries, query, 5))) / 5
        for hits, query in zip(found, queries, strict=True)
    ]
    assert np.mean(agreement) >= (1.0 if kind == "flat" else 0.95)
    assert found[0][0].similarity == pytest.approx(
        float(vectors[int(found[0][0].id[1:])] @ queries[0]), abs=1e-3
    )
    assert [hit.similarity for hit in found[0]] == sorted((hit.similarity for hit in found[0]), reverse=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_querys_own_group_never_counts_and_the_list_is_still_full(tmp_path, kind):
    vectors = unit(60)
    vectors[:20] = vectors[0]  # one patient fills the whole first page
    entries = [Record(f"r{i}", f"{i}.png", "x", "patient" if i < 20 else f"g{i}") for i in range(60)]
    gallery = Gallery.build(tmp_path / "g", vectors, entries, IDENTITY, kind)
    (hits,) = gallery.search(vectors[:1], 10, exclude_groups=["patient"])
    assert [hit.id for hit in hits] == brute_force(vectors, entries, vectors[0], 10, "patient")


def test_fewer_come_back_only_where_there_are_no_more(tmp_path):
    gallery = Gallery.build(tmp_path / "g", unit(4), records(4, per_group=2), IDENTITY)
    first, second = gallery.search(unit(2, seed=3), 10, exclude_groups=["g0", None])
    assert (len(first), len(second)) == (2, 4)


def test_a_gallery_opens_as_it_was_built(tmp_path):
    vectors, entries = unit(10), records(10)
    Gallery.build(tmp_path / "g", vectors, entries, IDENTITY)
    gallery = Gallery.open(tmp_path / "g")
    assert gallery.records == tuple(entries)
    assert gallery.identity == IDENTITY
    np.testing.assert_array_equal(gallery.vectors, vectors)


@pytest.mark.parametrize("kind", KINDS)
def test_added_photographs_are_found_and_removed_ones_are_not(tmp_path, kind):
    vectors, entries = unit(50), records(50)
    gallery = Gallery.build(tmp_path / "g", vectors[:40], entries[:40], IDENTITY, kind)
    before = gallery
    gallery = gallery.add(vectors[40:], entries[40:])
    assert gallery.search(vectors[45:46], 1)[0][0].id == "r45"
    gallery = gallery.remove(["r45", "r3"])
    assert len(gallery) == 48
    assert not {"r45", "r3"} & {hit.id for hit in gallery.search(vectors[45:46], 48)[0]}
    assert len(before) == 40  # an open state does not change under its reader
    assert before.search(vectors[3:4], 1)[0][0].id == "r3"


def test_a_removed_photograph_can_be_added_again(tmp_path):
    vectors, entries = unit(5), records(5)
    gallery = Gallery.build(tmp_path / "g", vectors, entries, IDENTITY).remove(["r1"])
    gallery = gallery.add(vectors[1:2], entries[1:2])
    assert gallery.search(vectors[1:2], 1)[0][0].id == "r1"


def test_a_wrong_id_changes_nothing(tmp_path):
    gallery = Gallery.build(tmp_path / "g", unit(5), records(5), IDENTITY)
    with pytest.raises(GalleryError, match="has no 'r9'"):
        gallery.remove(["r1", "r9"])
    with pytest.raises(GalleryError, match="already has 'r1'"):
        gallery.add(unit(2, seed=5), [Record("new", "n.png", "x", "g"), records(5)[1]])
    assert [record.id for record in Gallery.open(tmp_path / "g").records] == ["r0", "r1", "r2", "r3", "r4"]


def test_building_again_replaces_everything(tmp_path):
    Gallery.build(tmp_path / "g", unit(30), records(30), IDENTITY, "fp16")
    other = {**IDENTITY, "id": "other"}
    gallery = Gallery.build(
        tmp_path / "g", unit(7, seed=2, dimension=8), records(7, start=100), other, "flat"
    )
    assert (len(gallery), gallery.identity["id"], gallery.dimension, gallery.kind) == (7, "other", 8, "flat")
    assert len(list((tmp_path / "g").glob("vectors-*.npy"))) == 1


@pytest.mark.parametrize(
    "change", [{"id": "other"}, {"weights_sha256": "cd" * 32}, {"preprocess": {"size": 9}}]
)
def test_another_model_is_refused_by_name(tmp_path, change):
    gallery = Gallery.build(tmp_path / "g", unit(5), records(5), IDENTITY)
    asked = {**IDENTITY, **change}
    with pytest.raises(GalleryError, match="made by tiny") as caught:
        gallery.require(asked)
    assert asked["id"] in str(caught.value)
    assert next(iter(change)) in str(caught.value)


def test_the_same_model_calibrated_again_is_not_refused(tmp_path):
    gallery = Gallery.build(tmp_path / "g", unit(5), records(5), IDENTITY)
    gallery.require({**IDENTITY, "temperature": 2.0})


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "empty"])
def test_the_index_file_is_only_a_cache(tmp_path, damage):
    vectors = unit(200)
    Gallery.build(tmp_path / "g", vectors, records(200), IDENTITY, "hnsw").search(vectors[:1], 1)
    (cache,) = (tmp_path / "g").glob("index-*.faiss")
    content = bytearray(cache.read_bytes())
    if damage == "missing":
        cache.unlink()
    elif damage == "cut":
        cache.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 255
        cache.write_bytes(content)
    else:
        cache.write_bytes(b"")
    gallery = Gallery.open(tmp_path / "g")
    assert gallery.search(vectors[7:8], 1)[0][0].id == "r7"


def test_a_stale_index_is_not_used(tmp_path):
    vectors = unit(200)
    gallery = Gallery.build(tmp_path / "g", vectors, records(200), IDENTITY, "ivf")
    gallery.search(vectors[:1], 1)
    gallery = gallery.remove(["r0"]).add(-vectors[:1], records(1, start=900))  # as many vectors as before
    assert gallery.search(-vectors[:1], 1)[0][0].id == "r900"


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(GalleryError, match="not a gallery"):
        Gallery.build(tmp_path, unit(2), records(2), IDENTITY)
    with pytest.raises(GalleryError, match="not a gallery"):
        Gallery.open(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_damaged_files_are_reported_in_words(tmp_path):
    Gallery.build(tmp_path / "g", unit(5), records(5), IDENTITY)
    shutil.copytree(tmp_path / "g", tmp_path / "h")
    next((tmp_path / "g").glob("vectors-*.npy")).write_bytes(b"nothing")
    with pytest.raises(GalleryError, match=r"vectors .* damaged"):
        Gallery.open(tmp_path / "g")
    (tmp_path / "h/records.sqlite").write_bytes(b"nothing" * 100)
    with pytest.raises(GalleryError, match=r"records .* damaged"):
        Gallery.open(tmp_path / "h")


@pytest.mark.parametrize(
    ("vectors", "entries", "words"),
    [
        (unit(3), records(2), "need vectors"),
        (unit(2) * 3, records(2), "unit norm"),
        (np.full((2, 16), np.nan, np.float32), records(2), "unit norm"),
        (unit(2), [records(1)[0]] * 2, "more than once"),
        (np.empty((0, 16), np.float32), [], "at least one"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(tmp_path, vectors, entries, words):
    with pytest.raises(GalleryError, match=words):
        Gallery.build(tmp_path / "g", vectors, entries, IDENTITY)
    assert not (tmp_path / "g").exists()


def test_impossible_questions_are_refused(tmp_path):
    gallery = Gallery.build(tmp_path / "g", unit(5), records(5), IDENTITY)
    with pytest.raises(GalleryError, match="at least 1"):
        gallery.search(unit(1), 0)
    with pytest.raises(GalleryError, match="length 16, not 8"):
        gallery.search(unit(1, dimension=8), 1)
    with pytest.raises(GalleryError, match="one group"):
        gallery.search(unit(2), 1, exclude_groups=["g0"])


def test_an_interrupted_writer_leaves_the_old_gallery(tmp_path):
    vectors = unit(6)
    gallery = Gallery.build(tmp_path / "g", vectors[:5], records(5), IDENTITY)
    # What a kill between writing the vectors and committing the records leaves behind.
    np.save(tmp_path / "g/vectors-orphan.npy", vectors)
    with sqlite3.connect(tmp_path / "g/records.sqlite") as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM records")
        connection.rollback()
    connection.close()
    assert len(Gallery.open(tmp_path / "g")) == 5
    gallery.add(vectors[5:], records(1, start=5))
    assert not (tmp_path / "g/vectors-orphan.npy").exists()


def _add_one(folder, number):
    Gallery.open(folder).add(unit(1, seed=number), records(1, start=number))


def test_writers_in_several_processes_lose_nothing(tmp_path):
    Gallery.build(tmp_path / "g", unit(1), records(1), IDENTITY)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_add_one, args=(tmp_path / "g", number)) for number in range(1, 5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    gallery = Gallery.open(tmp_path / "g")
    assert {record.id for record in gallery.records} == {f"r{number}" for number in range(5)}
    assert gallery.search(unit(1, seed=3), 1)[0][0].id == "r3"
