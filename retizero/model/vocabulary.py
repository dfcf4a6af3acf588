"""Shrink a WordPiece vocabulary to the pieces a domain needs, without losing the ability to read any text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def kept_pieces(tokenizer: Tokenizer, texts: Iterable[str], frequent: int) -> list[str]:
    """Choose pieces: special tokens, single characters, what the texts use, and the most frequent others.

    A published WordPiece vocabulary lists its pieces by falling frequency.

    Args:
        tokenizer: The full tokenizer.
        texts: Texts whose pieces must stay.
        frequent: How many further pieces to keep.

    Returns:
        Pieces in their old order.
    """
    vocabulary = tokenizer.get_vocab()
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    kept = {piece for piece in ordered if piece in SPECIAL or len(piece.removeprefix("##")) == 1}
    for encoding in tokenizer.encode_batch(list(texts)):
        kept.update(encoding.tokens)
    others = [piece for piece in ordered if piece not in kept and not piece.startswith("[unused")]
    kept.update(others[:frequent])
    return [piece for piece in ordered if piece in kept]


def pruned_tokenizer(tokenizer: Tokenizer, pieces: list[str]) -> Tokenizer:
    """Return a tokenizer with only these pieces, numbered from 0 in the given order; [PAD] must be first."""
    if pieces[0] != "[PAD]":
        raise ValueError("The first piece must be [PAD]: towers take id 0 as padding.")
    numbers = {piece: number for number, piece in enumerate(pieces)}
    settings: dict[str, Any] = json.loads(tokenizer.to_str())
    settings["model"]["vocab"] = numbers
    settings["truncation"] = None
    settings["padding"] = None
    for token in settings["added_tokens"]:
        token["id"] = numbers[token["content"]]
    processor = settings["post_processor"]
    if processor["type"] == "TemplateProcessing":
        for name, special in processor["special_tokens"].items():
            special["ids"] = [numbers[name]]
    else:  # BertProcessing
        for side in ("sep", "cls"):
            processor[side][1] = numbers[processor[side][0]]
    return Tokenizer.from_str(json.dumps(settings))
