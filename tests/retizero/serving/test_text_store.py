"""Prompts survive a restart; nothing that a visitor typed does."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from retizero.knowledge import parse_labels
from retizero.serving import Engine
from retizero.serving.text_store import TextStore
from tests.retizero.tiny_models import write_tiny_model

LABELS = parse_labels("drusen; macular hole; somebody's own words")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(path, prompt_style="ensemble")
    return path


def unit(*numbers):
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def test_a_second_engine_reads_the_catalogues_prompts_and_encodes_only_free_words(
    folder, tmp_path, monkeypatch
):
    first = Engine.load(str(folder), "cpu", tmp_path / "prompts.sqlite")
    expected = first.label_embeddings(LABELS)
    second = Engine.load(str(folder), "cpu", tmp_path / "prompts.sqlite")
    encoded, encode = [], second._texts._encode
    monkeypatch.setattr(second._texts, "_encode", lambda texts: encoded.extend(texts) or encode(texts))
    np.testing.assert_array_equal(second.label_embeddings(LABELS), expected)
    assert encoded == ["A fundus photograph of somebody's own words"]


def test_what_a_visitor_typed_is_not_on_disk(folder, tmp_path):
    engine = Engine.load(str(folder), "cpu", tmp_path / "prompts.sqlite")
    engine.label_embeddings(LABELS)
    engine.embed_text(["a private question"])
    kept = {
        row[0]
        for row in sqlite3.connect(tmp_path / "prompts.sqlite").execute("SELECT prompt FROM embeddings")
    }
    assert "A fundus photograph of drusen" in kept
    assert not [prompt for prompt in kept if "own words" in prompt or "private" in prompt]


def test_another_model_tokenizer_or_arithmetic_reads_nothing_of_it(folder):
    model = Engine.load(str(folder), "cpu").model
    key = model.text_key
    assert len(key) == 64
    model.identity = replace(model.identity, arithmetic="bfloat16")
    assert model.text_key not in ("", key)
    model.identity = replace(model.identity, arithmetic="float32", weights_sha256="0" * 64)
    assert model.text_key not in ("", key)
    model.identity = replace(model.identity, weights_sha256="")
    assert model.text_key == ""


def test_stores_of_two_models_share_a_file_and_not_their_prompts(tmp_path):
    one, other = (TextStore(tmp_path / "f", model, 3) for model in ("one", "other"))
    one.write({"a": unit(1, 2, 3)})
    other.write({"a": unit(3, 2, 1)})
    np.testing.assert_array_equal(one.read(["a", "b"])["a"], unit(1, 2, 3))
    assert set(one.read(["a", "b"])) == {"a"}
    np.testing.assert_array_equal(other.read(["a"])["a"], unit(3, 2, 1))


@pytest.mark.parametrize("vector", [unit(1, 2), np.ones(3, np.float32), np.full(3, np.nan, np.float32)])
def test_a_stored_vector_that_is_no_embedding_is_not_used(tmp_path, vector):
    store = TextStore(tmp_path / "f", "m", 3)
    store.write({"a": vector})
    assert store.read(["a"]) == {}


def test_a_file_that_cannot_be_used_keeps_no_answer_from_being_given(folder, tmp_path):
    expected = Engine.load(str(folder), "cpu").label_embeddings(LABELS)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"not a database" * 100)
    for path in (damaged, tmp_path / "no folder" / "f", tmp_path):
        engine = Engine.load(str(folder), "cpu", path)
        np.testing.assert_array_equal(engine.label_embeddings(LABELS), expected)
