"""A model's identity."""

from dataclasses import replace

import pytest

from retizero.model import ModelError, ModelIdentity

IDENTITY = ModelIdentity(
    id="m",
    title="视网膜",
    architecture="a",
    embed_dim=4,
    preprocess={"size": 8},
    weights_sha256="0" * 64,
    conformal={"n": 3},
)


def test_json_brings_the_same_identity_back():
    again = ModelIdentity.from_json(IDENTITY.to_json())
    assert again == IDENTITY
    assert again.fingerprint == IDENTITY.fingerprint
    assert len(IDENTITY.fingerprint) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 2.0},
        {"template": "{label}"},
        {"weights_sha256": "1" * 64},
        {"preprocess": {"size": 9}},
    ],
)
def test_whatever_changes_an_answer_changes_the_fingerprint(change):
    assert replace(IDENTITY, **change).fingerprint != IDENTITY.fingerprint


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ("[]", "JSON object"),
        ('{"id": "m"}', "lacks: title"),
        ('{"idd": 1}', "unknown fields: idd"),
    ],
)
def test_a_damaged_identity_is_refused_with_one_sentence(text, sentence):
    with pytest.raises(ModelError, match=sentence):
        ModelIdentity.from_json(text)
