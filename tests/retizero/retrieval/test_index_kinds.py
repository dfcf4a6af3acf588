"""Approximate indices: short copies propose, the vectors themselves decide; indices of older programs go."""

import faiss
import numpy as np
import pytest

from retizero.retrieval import Gallery, Record
from retizero.retrieval.exact_search import exact_search
from retizero.retrieval.index_cache import _checksum, _checksum_file, cached_index
from retizero.retrieval.index_kinds import build_index, is_current

LONG, RANK, NUMBER = 256, 20, 600


@pytest.fixture
def vectors():
    """Unit vectors of 256 that differ in 20 directions and, a little, in all others."""
    rng = np.random.default_rng(0)
    found = rng.normal(size=(NUMBER, RANK)) @ rng.normal(size=(RANK, LONG))
    found += 0.1 * rng.normal(size=found.shape)
    found = found.astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.usefixtures("small_indices")
@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_short_copies_propose_and_similarities_are_those_of_the_vectors(tmp_path, vectors, kind):
    index = build_index(vectors, kind)
    assert index.index.d == 32, "nearly all of the length lies in twenty directions"
    gallery = Gallery.build(tmp_path / "g", vectors, _records(), {"id": "m", "embed_dim": LONG}, kind)
    queries = vectors[::10]
    similarities, rows = exact_search(vectors, queries, 10)
    found = gallery.search(queries, 10)
    same = [
        len({int(hit.id) for hit in hits} & set(row.tolist())) for hits, row in zip(found, rows, strict=True)
    ]
    assert np.mean(same) >= 9.9
    for hits in found:
        for hit in hits:
            own = vectors[int(hits[0].id)] @ vectors[int(hit.id)]
            assert hit.similarity == pytest.approx(float(own), abs=1e-6)
    assert [hits[0].similarity for hits in found] == pytest.approx(similarities[:, 0].tolist(), abs=1e-6)


def test_vectors_without_a_few_directions_keep_all_of_their_length():
    rng = np.random.default_rng(1)
    spread = rng.normal(size=(500, 64)).astype(np.float32)
    spread /= np.linalg.norm(spread, axis=1, keepdims=True)
    assert build_index(spread, "hnsw").index.d == 64


def test_an_index_of_an_older_program_is_built_again(tmp_path, vectors):
    cached_index(tmp_path, "s", "hnsw", vectors)
    (file,) = tmp_path.glob("index-s-*.faiss")
    old = faiss.index_factory(LONG, "HNSW16,Flat", faiss.METRIC_INNER_PRODUCT)
    old.add(vectors)
    faiss.write_index(old, str(file))
    _checksum_file(file).write_text(_checksum(file))
    assert not is_current(old)
    assert is_current(cached_index(tmp_path, "s", "hnsw", vectors))
    assert is_current(faiss.read_index(str(file)))


def _records():
    return [Record(str(n), f"{n}.png", "", f"p{n}") for n in range(NUMBER)]
