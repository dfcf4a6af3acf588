"""The engine, on a small random model."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from retizero import phantom
from retizero.knowledge import LabelSet, parse_labels
from retizero.model import ModelError
from retizero.retrieval import Gallery, GalleryError, Record
from retizero.serving import Engine
from tests.retizero.tiny_models import write_tiny_model

LABELS = parse_labels("drusen; macular hole; glaucoma; a made-up finding; retinitis pigmentosa; cataract")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    conformal = {"candidates": list(LABELS.ids), "threshold": 0.9, "coverage": 0.9, "n": 10}
    write_tiny_model(path, conformal=conformal, prompt_style="ensemble", temperature=2.0)
    return path


@pytest.fixture(scope="module")
def engine(folder):
    return Engine.load(str(folder), "cpu")


@pytest.fixture(scope="module")
def photographs():
    return [phantom.render(label, seed, size=160) for seed, label in enumerate(phantom.LABELS[:6])]


def test_probabilities_sum_to_one_over_the_candidates(engine, photographs):
    answer = engine.classify(photographs[0], LABELS, top_k=len(LABELS))
    assert sum(each.probability for each in answer.predictions) == pytest.approx(1)
    assert {each.id for each in answer.predictions} == set(LABELS.ids)


def test_predictions_are_ranked_and_top_k_is_the_head_of_the_whole_ranking(engine, photographs):
    whole = engine.classify(photographs[0], LABELS, top_k=6).predictions
    assert list(whole) == sorted(whole, key=lambda each: -each.probability)
    assert engine.classify(photographs[0], LABELS, top_k=2).predictions == whole[:2]


def test_answers_are_the_same_every_time_and_in_another_engine(engine, folder, photographs):
    again = Engine.load(str(folder), "cpu")
    for photograph in photographs[:2]:
        assert (
            engine.classify(photograph, LABELS)
            == engine.classify(photograph, LABELS)
            == again.classify(photograph, LABELS)
        )


def test_an_image_has_the_same_embedding_alone_and_in_a_batch(engine, photographs):
    together = engine.embed_image(photographs)
    alone = np.concatenate([engine.embed_image([photograph]) for photograph in photographs])
    assert np.abs(together - alone).max() < 1e-5


def test_a_score_does_not_depend_on_the_other_candidates(engine, photographs):
    embedding = engine.embed_image(photographs[:1])
    few = engine.logits(embedding, parse_labels("glaucoma; drusen"))[0]
    many = engine.logits(embedding, LABELS)[0]
    assert few[0] == pytest.approx(many[LABELS.ids.index("glaucoma")], abs=1e-6)


def test_twenty_threads_each_get_their_own_answer(engine, photographs):
    expected = [engine.classify(photograph, LABELS) for photograph in photographs]
    fresh = Engine(engine.model)
    order = [n % len(photographs) for n in range(40)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: fresh.classify(photographs[n], LABELS), order))
    for n, answer in zip(order, answers, strict=True):
        assert [each.id for each in answer.predictions] == [each.id for each in expected[n].predictions]
        assert answer.predictions[0].probability == pytest.approx(
            expected[n].predictions[0].probability, abs=1e-6
        )


def test_a_conformal_set_comes_only_with_the_calibrated_candidates(engine, photographs):
    calibrated = engine.classify(photographs[0], LABELS)
    assert calibrated.coverage == 0.9
    assert calibrated.conformal_set[0] == calibrated.predictions[0].id
    other = engine.classify(photographs[0], parse_labels("drusen; glaucoma"))
    assert other.conformal_set == ()
    assert other.coverage is None
    assert other.uncertainty is not None


def test_a_picture_that_is_no_fundus_photograph_gets_no_diagnosis(engine):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    row = engine.classify(noise, LABELS).to_json()
    assert row["gate"] == {"is_fundus": False, "quality": 0.0, "reason": "not_fundus"}
    assert row["predictions"] == row["conformal_set"] == []
    assert row["coverage"] is None
    assert row["uncertainty"] is None


def test_the_row_has_the_fields_of_the_contract(engine, photographs):
    row = engine.classify(photographs[0], LABELS, top_k=3).to_json()
    assert list(row) == ["gate", "predictions", "conformal_set", "coverage", "uncertainty", "model"]
    assert set(row["predictions"][0]) == {"id", "label", "probability"}
    assert row["model"]["fingerprint"] == engine.identity.fingerprint
    assert 0 < row["uncertainty"] <= 1


def test_wrong_requests_are_refused_with_one_sentence(engine, photographs):
    with pytest.raises(ModelError, match="top_k must be at least 1"):
        engine.classify(photographs[0], LABELS, top_k=0)
    with pytest.raises(ModelError, match="candidate labels is empty"):
        engine.classify(photographs[0], LabelSet("none", "1", "", "", (), ()))
    with pytest.raises(ModelError, match=r"compares embeddings \(N, 16\)"):
        engine.logits(np.zeros((1, 4), np.float32), LABELS)


def test_prompts_are_encoded_once(engine, monkeypatch):
    fresh = Engine(engine.model)
    first = fresh.label_embeddings(LABELS)
    monkeypatch.setattr(engine.model, "encode_texts", lambda texts: pytest.fail("encoded again"))
    assert np.array_equal(fresh.label_embeddings(LABELS), first)


def test_search_finds_the_same_photograph_first_and_refuses_another_models_gallery(
    engine, photographs, tmp_path, tmp_path_factory
):
    records = [Record(str(n), f"{n}.png", "drusen", str(n), "phantom", True) for n in range(len(photographs))]
    vectors = engine.embed_image(photographs)
    gallery = Gallery.build(tmp_path / "gallery", vectors, records, engine.identity.to_dict())
    assert engine.search(photographs[3], gallery, top_k=2)[0].id == "3"
    other = tmp_path / "other"
    write_tiny_model(other, id="other", seed=1)
    with pytest.raises(GalleryError):
        Engine.load(str(other), "cpu").search(photographs[3], gallery)
