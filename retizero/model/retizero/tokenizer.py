"""BERT's tokenizer, read from files of the user's: Bio_ClinicalBERT's vocabulary is not ours to ship."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from retizero.model.errors import ModelError
from retizero.model.retizero.config import read_json_object

_CLS, _SEP, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
HOW_TO_GET_ONE = (
    "RetiZero's text side needs the tokenizer of Bio_ClinicalBERT: get that model's folder "
    "(emilyalsentzer/Bio_ClinicalBERT on Hugging Face) and give it to retizero models convert with --bert, "
    "or put its vocab.txt beside the weights; photographs can be embedded without it."
)


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read ``tokenizer.json`` or build the tokenizer from ``vocab.txt``; no truncation, no padding.

    Without ``tokenizer_config.json`` text is put in lower case, although the vocabulary is cased:
    that is what ``transformers.AutoTokenizer`` does with its folder, and so what RetiZero was trained with
    (github.com/EmilyAlsentzer/clinicalBERT, issue 26).

    Raises:
        ModelError: The folder holds neither file, or one that cannot be read.
    """
    ready, vocabulary = folder / "tokenizer.json", folder / "vocab.txt"
    if ready.is_file():
        try:
            tokenizer = Tokenizer.from_file(str(ready))
        except Exception as error:  # tokenizers raises plain Exception
            raise ModelError(f"{ready} is not a tokenizer that can be read.") from error
    elif vocabulary.is_file():
        tokenizer = _from_vocabulary(vocabulary, _puts_in_lower_case(folder))
    else:
        raise ModelError(f"{folder} holds neither tokenizer.json nor vocab.txt. {HOW_TO_GET_ONE}")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def has_tokenizer(folder: Path) -> bool:
    """Tell whether ``read_tokenizer`` finds its files."""
    return (folder / "tokenizer.json").is_file() or (folder / "vocab.txt").is_file()


def require_vocabulary(tokenizer: Tokenizer, size: int) -> None:
    """Refuse a tokenizer of another vocabulary.

    Raises:
        ModelError: It has not exactly as many pieces as the text tower.
    """
    if tokenizer.get_vocab_size() != size:
        raise ModelError(
            f"The tokenizer has {tokenizer.get_vocab_size()} pieces, the text tower {size}: "
            "it belongs to another model."
        )


def _puts_in_lower_case(folder: Path) -> bool:
    settings = folder / "tokenizer_config.json"
    return not settings.is_file() or bool(
        read_json_object(settings, "tokenizer settings").get("do_lower_case", True)
    )


def _from_vocabulary(path: Path, lower_case: bool) -> Tokenizer:
    pieces = path.read_text(encoding="utf-8").splitlines()
    numbers = {piece: number for number, piece in enumerate(pieces)}
    if missing := [piece for piece in (_CLS, _SEP, _UNKNOWN) if piece not in numbers]:
        raise ModelError(f"{path} is not a BERT vocabulary: it lacks {', '.join(missing)}.")
    tokenizer = Tokenizer(WordPiece(numbers, unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing((_SEP, numbers[_SEP]), (_CLS, numbers[_CLS]))
    tokenizer.add_special_tokens(
        [piece for piece in ("[PAD]", _UNKNOWN, _CLS, _SEP, "[MASK]") if piece in numbers]
    )
    return tokenizer
