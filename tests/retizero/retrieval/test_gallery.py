"""A gallery, in a folder or a database, finds what is nearest, and changes all or nothing."""

import multiprocessing

import numpy as np
import pytest

from retizero.retrieval import KINDS, Conditions, Gallery, GalleryError, Record
from tests.retizero.retrieval.sample_gallery import IDENTITY, ids, records, unit


def brute_force(vectors, entries, query, top_k, group=None):
    order = np.argsort(-(vectors @ query), kind="stable")
    return [entries[i].id for i in order if group is None or entries[i].group != group][:top_k]


@pytest.mark.parametrize("kind", KINDS)
def test_search_finds_what_comparing_with_every_vector_finds(place, kind, small_indices):
    vectors, entries = unit(300), records(300)
    gallery = Gallery.build(place, vectors, entries, IDENTITY, kind)
    queries = unit(20, seed=1)
    found = gallery.search(queries, 5)
    agreement = [
        len(set(ids(hits)) & set(brute_force(vectors, entries, query, 5))) / 5
        for hits, query in zip(found, queries, strict=True)
    ]
    assert np.mean(agreement) >= {"flat": 1.0, "fp16": 0.99}.get(kind, 0.95)
    first = found[0][0]
    assert first.similarity == pytest.approx(float(vectors[int(first.id[1:])] @ queries[0]), abs=1e-3)
    assert [hit.similarity for hit in found[0]] == sorted((hit.similarity for hit in found[0]), reverse=True)
    assert ids(gallery.search(queries[:1], 5)[0]) == ids(found[0])  # one query or many: the same answer


@pytest.mark.parametrize("kind", KINDS)
def test_the_querys_own_group_never_counts_and_the_list_is_still_full(place, kind, small_indices):
    vectors = unit(120)
    vectors[:20] = vectors[0]  # one patient fills the whole first page
    entries = [Record(f"r{i}", f"{i}.png", "x", "patient" if i < 20 else f"g{i}") for i in range(120)]
    gallery = Gallery.build(place, vectors, entries, IDENTITY, kind)
    (hits,) = gallery.search(vectors[:1], 10, exclude_groups=["patient"])
    assert ids(hits) == brute_force(vectors, entries, vectors[0], 10, "patient")


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_ten_frames_of_one_patient_do_not_fill_the_list(place, kind, small_indices):
    vectors = unit(120)
    vectors[:60] = vectors[0] + 0.01 * unit(60, seed=2)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entries = [Record(f"r{i}", f"{i}.png", "x", "patient" if i < 60 else f"g{i // 2}") for i in range(120)]
    gallery = Gallery.build(place, vectors, entries, IDENTITY, kind)
    assert {hit.record.group for hit in gallery.search(vectors[:1], 8)[0]} == {"patient"}
    (hits,) = gallery.search(vectors[:1], 8, per_group=1)
    expected, groups = [], set()
    for name in brute_force(vectors, entries, vectors[0], 120):
        group = entries[int(name[1:])].group
        if group not in groups:
            expected.append(name)
        groups.add(group)
    assert ids(hits) == expected[:8]
    assert len(gallery.search(vectors[:1], 100, per_group=1)[0]) == 31  # the patient and thirty pairs


@pytest.mark.parametrize("kind", KINDS)
def test_conditions_keep_the_others_out(place, kind, small_indices):
    vectors = unit(240)
    labels = ["central retinal vein occlusion", "glaucoma; drusen", "normal fundus", "something of our own"]
    entries = [
        Record(
            f"r{i}", f"{i}.png", labels[i % 4], f"g{i}", f"s{i % 3}", site="Aravind" if i < 120 else "SNEC"
        )
        for i in range(240)
    ]
    gallery = Gallery.build(place, vectors, entries, IDENTITY, kind)

    def found(top_k=240, **conditions):
        (hits,) = gallery.search(vectors[:1], top_k, conditions=Conditions(**conditions))
        return {int(name[1:]) for name in ids(hits)}

    everyone = range(240)
    assert found(labels=("CRVO",)) == {i for i in everyone if i % 4 == 0}
    assert found(labels=("retinal vein occlusion",)) == {i for i in everyone if i % 4 == 0}  # a kind of it
    assert found(labels=("Drusen", "Something of our  own")) == {i for i in everyone if i % 4 in (1, 3)}
    assert found(sources=("s1", "s2"), sites=("SNEC",)) == {i for i in everyone if i % 3 and i >= 120}
    assert found(groups=("g7", "g11")) == {7, 11}
    assert found(labels=("macular hole",)) == set()
    within = [i for i in everyone if i % 4 == 2]
    nearest = sorted(within, key=lambda i: -float(vectors[i] @ vectors[0]))[:5]
    assert found(top_k=5, labels=("normal fundus",)) == set(nearest)


def test_fewer_come_back_only_where_there_are_no_more(place):
    gallery = Gallery.build(place, unit(4), records(4, per_group=2), IDENTITY)
    first, second = gallery.search(unit(2, seed=3), 10, exclude_groups=["g0", None])
    assert (len(first), len(second)) == (2, 4)


def test_a_gallery_opens_as_it_was_built(place):
    vectors, entries = unit(10), records(10)
    Gallery.build(place, vectors, entries, IDENTITY)
    gallery = Gallery.open(place)
    assert gallery.records == tuple(entries)
    assert gallery.identity == IDENTITY
    np.testing.assert_allclose(gallery.vectors, vectors, atol=1e-7)
    summary = gallery.summary()
    assert (summary.n, summary.groups, summary.synthetic, summary.sources) == (10, 4, 5, {"source": 10})
    assert summary.labels == {"label 0": 3, "label 1": 3, "label 2": 2, "label 3": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_added_photographs_are_found_and_removed_ones_are_not(place, kind, small_indices):
    vectors, entries = unit(150), records(150)
    gallery = Gallery.build(place, vectors[:130], entries[:130], IDENTITY, kind)
    before = gallery
    gallery = gallery.add(vectors[130:], entries[130:])
    assert gallery.search(vectors[145:146], 1)[0][0].id == "r145"
    gallery = gallery.remove(["r145", "r3"])
    assert len(gallery) == 148
    assert not {"r145", "r3"} & set(ids(gallery.search(vectors[145:146], 148)[0]))
    assert len(before) == 130  # an open state does not change under its reader
    assert before.search(vectors[3:4], 1)[0][0].id == "r3"
    assert "r3" in {record.id for record in before.records}
    gallery = gallery.compact()
    assert len(gallery) == 148
    assert gallery.search(vectors[140:141], 1)[0][0].id == "r140"
    assert not {"r145", "r3"} & set(ids(gallery.search(vectors[3:4], 148)[0]))


def test_what_is_said_about_a_photograph_can_be_corrected(place):
    vectors, entries = unit(6), records(6)
    gallery = Gallery.build(place, vectors, entries, IDENTITY)
    gallery = gallery.update([Record("r2", "images/2.png", "glaucoma", "g0", "elsewhere")])
    (hit,) = gallery.search(vectors[2:3], 1)[0]
    assert (hit.id, hit.label, hit.record.source) == ("r2", "glaucoma", "elsewhere")
    gallery = gallery.update([entries[2]], -vectors[2:3])
    assert gallery.search(-vectors[2:3], 1)[0][0].id == "r2"
    assert gallery.search(vectors[2:3], 1)[0][0].id != "r2"
    with pytest.raises(GalleryError, match="has no 'r9'"):
        gallery.update([entries[1], Record("r9", "", "", "")])
    assert len(gallery.latest()) == 6


def test_a_removed_photograph_can_be_added_again(place):
    vectors, entries = unit(5), records(5)
    gallery = Gallery.build(place, vectors, entries, IDENTITY).remove(["r1"])
    gallery = gallery.add(vectors[1:2], entries[1:2])
    assert gallery.search(vectors[1:2], 1)[0][0].id == "r1"


def test_a_wrong_id_changes_nothing(place):
    gallery = Gallery.build(place, unit(5), records(5), IDENTITY)
    with pytest.raises(GalleryError, match="has no 'r9'"):
        gallery.remove(["r1", "r9"])
    with pytest.raises(GalleryError, match="already has 'r1'"):
        gallery.add(unit(2, seed=5), [Record("new", "n.png", "x", "g"), records(5)[1]])
    assert [record.id for record in Gallery.open(place).records] == ["r0", "r1", "r2", "r3", "r4"]


def test_a_photograph_that_is_there_already_is_noticed(place):
    vectors = unit(20)
    gallery = Gallery.build(place, vectors, records(20), IDENTITY)
    again = vectors[7] + 0.005 * unit(1, seed=4)[0]
    alike, other = gallery.near_duplicates(np.stack([again / np.linalg.norm(again), unit(1, seed=9)[0]]))
    assert alike.id == "r7"
    assert other is None


def test_a_server_sees_changes_of_others_when_it_asks_for_the_latest_state(place):
    vectors, entries = unit(6), records(6)
    served = Gallery.build(place, vectors[:5], entries[:5], IDENTITY)
    assert served.latest() is served
    Gallery.open(place).add(vectors[5:], entries[5:])
    assert len(served) == 5
    assert served.latest().search(vectors[5:], 1)[0][0].id == "r5"


def test_building_again_replaces_everything(place):
    Gallery.build(place, unit(30), records(30), IDENTITY, "fp16")
    other = {**IDENTITY, "id": "other"}
    gallery = Gallery.build(place, unit(7, seed=2, dimension=8), records(7, start=100), other, "flat")
    assert (len(gallery), gallery.identity["id"], gallery.dimension, gallery.kind) == (7, "other", 8, "flat")
    assert gallery.search(unit(7, seed=2, dimension=8)[3:4], 1)[0][0].id == "r103"


def test_a_gallery_that_was_replaced_is_not_changed_through_an_old_state(place):
    old = Gallery.build(place, unit(5), records(5), IDENTITY)
    Gallery.build(place, unit(5), records(5), {**IDENTITY, "id": "other"})
    with pytest.raises(GalleryError, match="replaced"):
        old.add(unit(1, seed=3), records(1, start=50))


@pytest.mark.parametrize(
    "change", [{"id": "other"}, {"weights_sha256": "cd" * 32}, {"preprocess": {"size": 9}}, {"mirror": True}]
)
def test_another_model_is_refused_by_name(place, change):
    gallery = Gallery.build(place, unit(5), records(5), IDENTITY)
    asked = {**IDENTITY, **change}
    with pytest.raises(GalleryError, match="made by tiny") as caught:
        gallery.require(asked)
    assert asked["id"] in str(caught.value)
    assert next(iter(change)) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_same_model_calibrated_again_is_not_refused(place):
    gallery = Gallery.build(place, unit(5), records(5), IDENTITY)
    gallery.require({**IDENTITY, "temperature": 2.0, "mirror": False})
    assert gallery.fingerprint == Gallery.open(place).fingerprint
    assert len(gallery.fingerprint) == 64


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
def test_vectors_that_do_not_fit_are_refused(place, vectors, entries, words):
    with pytest.raises(GalleryError, match=words):
        Gallery.build(place, vectors, entries, IDENTITY)
    with pytest.raises(GalleryError, match=r"not a gallery|no gallery"):
        Gallery.open(place)


def test_impossible_questions_are_refused(place):
    gallery = Gallery.build(place, unit(5), records(5), IDENTITY)
    with pytest.raises(GalleryError, match="top_k must be at least 1"):
        gallery.search(unit(1), 0)
    with pytest.raises(GalleryError, match="per_group must be at least 1"):
        gallery.search(unit(1), 1, per_group=0)
    with pytest.raises(GalleryError, match="length 16, not 8"):
        gallery.search(unit(1, dimension=8), 1)
    with pytest.raises(GalleryError, match="one group"):
        gallery.search(unit(2), 1, exclude_groups=["g0"])


def _add_one(place, number):
    Gallery.open(place).add(unit(1, seed=number), records(1, start=number))


def test_writers_in_several_processes_lose_nothing(place):
    Gallery.build(place, unit(1), records(1), IDENTITY)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_add_one, args=(place, number)) for number in range(1, 5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    gallery = Gallery.open(place)
    assert {record.id for record in gallery.records} == {f"r{number}" for number in range(5)}
    assert gallery.search(unit(1, seed=3), 1)[0][0].id == "r3"
