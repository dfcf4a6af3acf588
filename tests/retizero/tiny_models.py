"""Small random models in the layout of a real model folder, for tests without weights."""

import string

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from retizero.data import Preprocess
from retizero.model.identity import ModelIdentity
from retizero.model.open_clip_folder import TEXT, build_towers, write_open_clip_folder, write_text_tower_files

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXT_CONFIG = {
    "model_type": "bert",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "attention_probs_dropout_prob": 0.0,
    "hidden_dropout_prob": 0.0,
}


def tiny_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer that spells words letter by letter."""
    signs = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*SPECIAL, *signs, *(f"##{sign}" for sign in signs), "retinal", "fundus", "photograph"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def write_tiny_model(folder, id="tiny", seed=0, **identity):
    """Write a model folder with random weights and return its identity."""
    tokenizer = tiny_tokenizer()
    text_config = {**TEXT_CONFIG, "vocab_size": tokenizer.get_vocab_size()}
    config = {
        "embed_dim": 16,
        "vision_cfg": {
            "timm_model_name": "test_efficientnet",
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": 64,
        },
        "text_cfg": {
            "hf_model_name": TEXT,
            "hf_tokenizer_name": TEXT,
            "hf_model_pretrained": False,
            "hf_proj_type": "linear",
            "hf_pooler_type": "mean_pooler",
            "context_length": 77,
            "vocab_size": tokenizer.get_vocab_size(),
        },
    }
    write_text_tower_files(folder / TEXT, text_config, tokenizer)
    torch.manual_seed(seed)
    towers = build_towers(config, folder)
    made = ModelIdentity(
        id=id,
        title="Tiny model with random weights",
        architecture="test_efficientnet + 2-layer BERT",
        embed_dim=16,
        preprocess=Preprocess(size=64).to_dict(),
        weights_sha256="",
        **identity,
    )
    return write_open_clip_folder(folder, towers, config, text_config, tokenizer, made)
