"""Closed-form few-shot classifiers and the files they are kept in."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize

from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity
from retizero.serving.few_shot import left_out_answers, prototypes
from retizero.serving.linear_head import LinearHead, StoredHead, head_from_json, read_head

IDENTITY = ModelIdentity("tiny", "Tiny", "none", 4, {"size": 32}, "ab" * 32)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def problem(seed=0, number=9, classes=3, width=6):
    rng = np.random.default_rng(seed)
    labels = np.arange(number) % classes
    texts = unit(rng.normal(size=(classes, width)))
    return unit(texts[labels] + 0.5 * rng.normal(size=(number, width))), labels, texts


def minimised(objective, texts):
    return unit(minimize(objective, texts.ravel()).x.reshape(texts.shape))


def test_with_equal_numbers_the_prototypes_minimise_the_objective_of_the_paper():
    vectors, classes, texts = problem(number=9)
    scale = 5.0
    counts = np.bincount(classes)

    def objective(flat):
        weights = flat.reshape(texts.shape)
        fit = -scale * np.einsum("nd,nd->", vectors, weights[classes]) / len(classes)
        return fit + sum(((weights[k] - texts[k]) ** 2).sum() / counts[k] / 2 for k in range(3))

    made = prototypes(vectors, classes, texts, 3, scale)
    np.testing.assert_allclose(made, minimised(objective, texts), atol=1e-5)


def test_with_unequal_numbers_every_class_counts_by_its_mean_and_has_the_same_prior():
    vectors, _, texts = problem(number=9)
    classes = np.array([0, 1, 2, 0, 0, 0, 0, 1, 0])
    scale = 5.0
    means = np.stack([vectors[classes == k].mean(axis=0) for k in range(3)])

    def objective(flat):
        weights = flat.reshape(texts.shape)
        return -scale / 3 * (means * weights).sum() + 3 / 9 / 2 * ((weights - texts) ** 2).sum()

    made = prototypes(vectors, classes, texts, 3, scale)
    np.testing.assert_allclose(unit(made), minimised(objective, texts), atol=1e-5)


def crowded(seed, numbers, noise=0.18, width=64, asked=40):
    """Photographs lie close together and far from all texts, as in a real model; then photographs to name."""
    rng = np.random.default_rng(seed)
    gap = unit(rng.normal(size=(1, width)))
    shift = unit(rng.normal(size=(len(numbers), width)))
    texts = unit(shift + 1.2 * unit(rng.normal(size=(1, width))) + 0.15 * rng.normal(size=shift.shape))

    def draw(classes):
        return unit(1.5 * gap + shift[classes] + noise * rng.normal(size=(len(classes), width)))

    classes = np.repeat(np.arange(len(numbers)), numbers)
    truth = np.repeat(np.arange(len(numbers)), asked)
    return draw(classes), classes, texts, draw(truth), truth


def balanced_accuracy(made, asked, truth):
    answers = (asked @ made.T).argmax(axis=1)
    return np.mean([(answers[truth == k] == k).mean() for k in np.unique(truth)])


@pytest.mark.parametrize("numbers", [[4] * 6 + [1] * 6, [16] + [1] * 11, [8] * 3 + [2] * 9, [3] * 12])
def test_words_and_photographs_are_no_worse_than_either_whatever_the_numbers(numbers):
    compared = []
    for seed in range(4):
        vectors, classes, texts, asked, truth = crowded(seed, numbers)
        both = prototypes(vectors, classes, texts, 12, 20.0)
        alone = prototypes(vectors, classes, None, 12, 20.0)
        compared.append([balanced_accuracy(made, asked, truth) for made in (both, alone, texts)])
    both, alone, words = np.mean(compared, axis=0)
    assert both >= max(alone, words) - 0.01


def test_a_diagnosis_is_not_named_more_often_for_having_more_photographs():
    shares = []
    for seed in range(4):
        vectors, classes, texts, asked, _ = crowded(seed, [4] * 6 + [1] * 6)
        answers = (asked @ prototypes(vectors, classes, texts, 12, 20.0).T).argmax(axis=1)
        shares.append((answers < 6).mean())
    assert 0.45 < np.mean(shares) < 0.55  # half of the photographs are of the first six


def test_a_class_without_photographs_keeps_its_text_and_without_text_it_is_the_mean_photograph():
    vectors, _, texts = problem()
    classes = np.zeros(9, np.int64)
    np.testing.assert_allclose(prototypes(vectors, classes, texts, 3, 20.0)[1:], texts[1:])
    alone = prototypes(vectors, classes, None, 3, 20.0)
    np.testing.assert_allclose(alone[0], vectors.sum(axis=0) / np.linalg.norm(vectors.sum(axis=0)))
    assert not alone[1:].any()


def test_without_any_photograph_the_prototypes_are_the_texts():
    _, _, texts = problem()
    empty = np.zeros((0, texts.shape[1]))
    np.testing.assert_allclose(prototypes(empty, np.zeros(0, np.int64), texts, 3, 20.0), texts)


def test_leaving_one_out_agrees_with_making_each_classifier_from_nothing():
    vectors, classes, texts = problem(seed=3)
    answers = left_out_answers(vectors, classes, texts, 3, 10.0)
    for index in range(len(classes)):
        rest = [other for other in range(len(classes)) if other != index]
        made = prototypes(vectors[rest], classes[rest], texts, 3, 10.0)
        assert answers[index] == np.argmax(made @ vectors[index])


def test_a_photograph_alone_in_its_class_is_never_named_right_without_texts():
    vectors = np.eye(3)
    assert left_out_answers(vectors, np.arange(3), None, 3, 1.0).tolist() == [1, 0, 0]


def stored():
    rng = np.random.default_rng(1)
    head = LinearHead(("drusen", "free:odd"), ("drusen", "odd"), rng.normal(size=(2, 4)), np.array([0.5, 0]))
    return StoredHead(head, IDENTITY, "embedding", "ss-text", 1.5, (3, 2))


def test_a_head_survives_its_file(tmp_path):
    stored().save(tmp_path / "head.json")
    again = read_head(tmp_path / "head.json")
    features = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(again.head.logits(features), stored().head.logits(features), atol=1e-6)
    assert again.model == IDENTITY
    assert (again.method, again.temperature, again.examples) == ("ss-text", 1.5, (3, 2))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"weights": [[1, 2, 3, 4]]},
        {"weights": [[1, 2], [3]]},
        {"bias": [float("nan"), 0]},
        {"temperature": 0},
        {"model": {"id": "tiny"}},
        {"classes": None},
    ],
)
def test_a_damaged_head_file_is_refused_in_one_sentence(change):
    values = json.loads(stored().to_json()) | change
    with pytest.raises(ModelError):
        head_from_json(json.dumps(values), "it")


def test_a_missing_or_foreign_file_is_no_classifier(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        read_head(tmp_path / "none.json")
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ModelError, match="not a classifier"):
        read_head(tmp_path / "picture.json")


def test_a_head_is_refused_by_other_weights():
    stored().require(IDENTITY)
    other = ModelIdentity("tiny", "Tiny", "none", 4, {"size": 32}, "cd" * 32)
    with pytest.raises(ModelError, match="made for the model tiny"):
        stored().require(other)
