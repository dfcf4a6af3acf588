"""Pruning a WordPiece vocabulary."""

import pytest
from tokenizers import Tokenizer

from retizero.model.vocabulary import kept_pieces, pruned_tokenizer
from tests.retizero.tiny_models import tiny_tokenizer


@pytest.fixture
def tokenizer() -> Tokenizer:
    return tiny_tokenizer()


def test_pieces_of_the_texts_and_all_single_characters_stay(tokenizer):
    pieces = kept_pieces(tokenizer, ["fundus"], frequent=0)
    assert "fundus" in pieces
    assert "retinal" not in pieces
    assert {"a", "##z", "[PAD]", "[CLS]"} <= set(pieces)
    assert pieces[0] == "[PAD]"


def test_texts_that_were_kept_tokenise_as_before_and_others_are_spelt(tokenizer):
    pruned = pruned_tokenizer(tokenizer, kept_pieces(tokenizer, ["fundus"], frequent=0))
    assert pruned.encode("A fundus").tokens == tokenizer.encode("A fundus").tokens
    assert pruned.encode("retinal").tokens == ["[CLS]", "r", *(f"##{sign}" for sign in "etinal"), "[SEP]"]
    assert [pruned.id_to_token(id) for id in pruned.encode("fundus").ids] == ["[CLS]", "fundus", "[SEP]"]


def test_the_most_frequent_of_the_others_come_first(tokenizer):
    assert "retinal" in kept_pieces(tokenizer, [], frequent=1)
    assert "photograph" not in kept_pieces(tokenizer, [], frequent=1)
