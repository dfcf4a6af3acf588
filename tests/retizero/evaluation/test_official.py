"""The release's transductive retrieval agrees with a reference that shares no code with ours."""

import math

import numpy as np
import pytest

from retizero.evaluation import EvaluationError, retrieval_protocol
from retizero.evaluation.official import clusters_of, official_similarity
from retizero.evaluation.retrieval import Side, compare


@pytest.fixture(scope="module")
def vectors():
    """4,000 unnormalised vectors: twelve diseases and some that resemble none."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 64))
    disease = rng.integers(0, 12, 4_000)
    found = centres[disease] + rng.normal(scale=0.5, size=(4_000, 64))
    found[::10] = rng.normal(scale=1.1, size=(400, 64))
    return found.astype(np.float32), disease


@pytest.fixture(scope="module", autouse=True)
def one_map_for_equal_questions():
    """UMAP, which takes a minute, runs once for the same vectors and settings; others make it run again."""
    umap, maps = pytest.importorskip("umap"), {}
    really = umap.UMAP.fit_transform

    def fit_transform(self, X):
        settings = {name: value for name, value in self.get_params().items() if name != "n_jobs"}
        key = (repr(sorted(settings.items())), X.tobytes())
        if key not in maps:
            maps[key] = really(self, X)
        return maps[key].copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(umap.UMAP, "fit_transform", fit_transform)
        yield


@pytest.fixture(scope="module")
def reference_clusters(vectors):
    umap, hdbscan = pytest.importorskip("umap"), pytest.importorskip("hdbscan")
    mapped = umap.UMAP(
        n_neighbors=20, n_components=256, min_dist=0.0, metric="euclidean", random_state=42
    ).fit_transform(vectors[0])
    return hdbscan.HDBSCAN(min_cluster_size=100, cluster_selection_method="leaf").fit_predict(mapped)


@pytest.fixture(scope="module")
def clusters(vectors, reference_clusters):
    return clusters_of(vectors[0], retrieval_protocol("official"))


@pytest.mark.timeout(900)
def test_clusters_are_those_of_umap_and_the_hdbscan_package(clusters, reference_clusters):
    assert len(set(clusters)) >= 12
    pairs = set(zip(clusters.tolist(), reference_clusters.tolist(), strict=True))
    assert len(pairs) == len(set(clusters)) == len(set(reference_clusters))  # the same up to their numbers


def test_ranked_lists_and_measures_are_those_of_plain_loops(vectors, clusters, monkeypatch):
    embedded, disease = vectors
    queries = range(0, 4_000, 80)
    similarity = official_similarity(embedded[list(queries)], embedded, clusters[list(queries)], clusters)
    hits = {1: [], 3: [], 5: []}
    precisions = {1: [], 3: [], 5: []}
    for row, query in enumerate(queries):
        scores = []
        for other in range(4_000):
            scale = math.dist(embedded[other].astype(float), np.zeros(64)) / 2
            distance = math.dist(embedded[query].astype(float), embedded[other].astype(float))
            score = scale / (scale + distance)
            scores.append(score if clusters[query] == clusters[other] else score / 2)
        assert similarity[row] == pytest.approx(scores, abs=1e-6)
        order = sorted((other for other in range(4_000) if other != query), key=lambda other: -scores[other])
        found = [disease[other] == disease[query] for other in order]
        for k in hits:
            hits[k].append(any(found[:k]))
            precisions[k].append(sum(found[:k]) / k)
    monkeypatch.setattr("retizero.evaluation.retrieval.clusters_of", lambda *_: clusters)
    side = Side(embedded, _rows(4_000), tuple((str(each),) for each in disease), ())
    outcome = compare(side, side, retrieval_protocol("official"))
    for k in hits:
        assert outcome.first[list(queries), :k].any(axis=1).tolist() == hits[k]
        assert outcome.first[list(queries), :k].sum(axis=1) / k == pytest.approx(precisions[k])


def test_too_few_images_are_refused_in_words():
    with pytest.raises(EvaluationError, match="needs more than 257 of them; there are 20"):
        clusters_of(np.zeros((20, 8), np.float32), retrieval_protocol("official"))


def _rows(count):
    from pathlib import Path

    from retizero.data import ManifestRow

    return tuple(
        ManifestRow(Path(f"/images/{n}.png"), f"{n}.png", "", (), f"p{n}", "", "", n + 2)
        for n in range(count)
    )
