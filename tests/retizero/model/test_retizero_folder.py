"""A converted model answers like the checkpoint it came from, and checks itself."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from retizero.model import ModelError, known_models, load_model
from retizero.model.convert import convert
from retizero.model.release_checkpoint import CheckpointMismatch
from retizero.model.retizero.config import RetiZeroConfig
from retizero.model.retizero.encoder import RetiZeroEncoder
from retizero.model.retizero.folder import read_classifier_folder, read_retizero_folder
from retizero.model.retizero.tokenizer import read_tokenizer
from tests.retizero.model.tiny_retizero import (
    CONFIG,
    finetuned_tensors,
    release_tensors,
    tiny_classifier,
    tiny_config,
    tiny_network,
    write_release,
    write_vocabulary,
)

CPU = torch.device("cpu")
LABELS = [f"{first} {second}" * (1 + number % 5) for number, (first, second) in enumerate(
    (first, second) for first in ("normal", "retinal", "a", "of") for second in "bcdefghijklmn"
)]  # fmt: skip


def _converted(folder: Path, config: RetiZeroConfig | None = None, **options: object) -> Path:
    checkpoint = write_release(folder / "RetiZero.pth", tiny_network())
    bert = write_vocabulary(folder / "Bio_ClinicalBERT")
    convert(checkpoint, folder / "tiny", config or tiny_config(), **{"bert": bert, **options})
    return folder / "tiny"


def test_a_converted_model_embeds_like_the_network_it_came_from(tmp_path: Path) -> None:
    encoder = read_retizero_folder(_converted(tmp_path), CPU, exact=True)
    network = tiny_network()
    pixels = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(
            torch.from_numpy(encoder.encode_images(pixels.numpy())),
            network.encode_image(pixels),
            atol=1e-6,
            rtol=0,
        )
        torch.testing.assert_close(
            torch.from_numpy(encoder.encode_for_retrieval(pixels.numpy())),
            network.image.patch_mean(pixels),
            atol=1e-5,
            rtol=1e-5,
        )
    assert encoder.logit_scale == pytest.approx(1 / 0.07)
    assert encoder.preprocess.crop == "squash"
    assert encoder.retrieval_preprocess.mean == (0.5, 0.5, 0.5)
    assert encoder.identity.id == "tiny"


def test_half_precision_where_the_processor_has_it_stays_close(tmp_path: Path) -> None:
    folder, pixels = (
        _converted(tmp_path),
        np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32),
    )
    exact = read_retizero_folder(folder, CPU, exact=True).encode_images(pixels)
    fast = read_retizero_folder(folder, CPU).encode_images(pixels)
    assert (exact * fast).sum(axis=1).min() > 0.995


def test_a_labels_score_in_a_call_of_its_own_is_its_score_among_fifty_two(tmp_path: Path) -> None:
    assert len(LABELS) == 52
    encoder = read_retizero_folder(_converted(tmp_path), CPU, exact=True)
    image = encoder.encode_images(np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32))
    together = image @ encoder.encode_texts(LABELS).T
    alone = np.concatenate([image @ encoder.encode_texts([label]).T for label in LABELS], axis=1)
    assert np.abs(together - alone).max() <= 1e-6


def test_official_pooling_makes_a_label_depend_on_the_others_and_ours_does_not(tmp_path: Path) -> None:
    official = RetiZeroConfig.from_dict({**CONFIG, "pooling": "official"})
    theirs = read_retizero_folder(_converted(tmp_path, official), CPU, exact=True)
    assert theirs.identity.pooling == "official"
    alone, beside = theirs.encode_texts(["normal"]), theirs.encode_texts(["normal", "a long long label" * 3])
    assert float((alone[0] * beside[0]).sum()) < 0.9999
    (tmp_path / "ours").mkdir()
    ours = read_retizero_folder(_converted(tmp_path / "ours"), CPU, exact=True)
    np.testing.assert_allclose(ours.encode_texts(["normal"])[0], alone[0], atol=1e-6)


def test_prompts_longer_than_the_model_reads_are_cut_before_the_separator(tmp_path: Path) -> None:
    config = RetiZeroConfig.from_dict({**CONFIG, "context_length": 8})
    encoder = read_retizero_folder(_converted(tmp_path, config), CPU, exact=True)
    long, cut = encoder.encode_texts(
        ["a fundus of normal retinal detachment b c", "a fundus of normal retinal detachment"]
    )
    np.testing.assert_allclose(long, cut, atol=1e-6)


def test_without_a_tokenizer_photographs_are_embedded_and_prompts_refused(tmp_path: Path) -> None:
    convert(write_release(tmp_path / "RetiZero.pth", tiny_network()), tmp_path / "tiny", tiny_config())
    encoder = read_retizero_folder(tmp_path / "tiny", CPU)
    assert encoder.encode_images(np.zeros((1, 3, 32, 32), np.float32)).shape == (1, 12)
    with pytest.raises(ModelError, match=r"tokenizer of Bio_ClinicalBERT.*--bert"):
        encoder.encode_texts(["normal"])


def test_a_vocabulary_beside_the_checkpoint_is_found(tmp_path: Path) -> None:
    write_vocabulary(tmp_path)
    convert(write_release(tmp_path / "RetiZero.pth", tiny_network()), tmp_path / "tiny", tiny_config())
    assert read_retizero_folder(tmp_path / "tiny", CPU).encode_texts(["normal"]).shape == (1, 12)


def test_the_tokenizer_is_the_one_that_transformers_makes_of_the_same_folder(tmp_path: Path) -> None:
    folder = write_vocabulary(tmp_path)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    theirs = AutoTokenizer.from_pretrained(str(folder))
    texts = ["A fundus photograph of Vogt-Koyanagi-Harada disease", "Normal", "naïve  (x)", "视网膜", ""]
    ours = read_tokenizer(folder)
    assert [ours.encode(text).ids for text in texts] == [theirs(text)["input_ids"] for text in texts]


def test_capitals_survive_only_where_the_tokenizer_settings_say_so(tmp_path: Path) -> None:
    lower = read_tokenizer(write_vocabulary(tmp_path / "lower")).encode("Normal").tokens
    cased = write_vocabulary(tmp_path / "cased")
    (cased / "tokenizer_config.json").write_text('{"do_lower_case": false}', encoding="utf-8")
    assert lower == ["[CLS]", "normal", "[SEP]"]
    assert read_tokenizer(cased).encode("Normal").tokens == ["[CLS]", "Normal", "[SEP]"]


def test_a_tokenizer_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    bert = write_vocabulary(tmp_path / "bert")
    with (bert / "vocab.txt").open("a") as file:
        file.write("onemore\n")
    with pytest.raises(ModelError, match="belongs to another model"):
        _ = convert(write_release(tmp_path / "F.pth", tiny_network()), tmp_path / "tiny", tiny_config(), bert)
    assert not (tmp_path / "tiny").exists()


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    tensors = release_tensors(tiny_network())
    tensors["text_model.model.pooler.dense.bias"][3] = float("nan")
    torch.save(tensors, tmp_path / "F.pth")
    with pytest.raises(ModelError, match=r"text\.bert\.pooler\.dense\.bias"):
        convert(tmp_path / "F.pth", tmp_path / "tiny", tiny_config())


def test_a_text_side_that_cannot_tell_prompts_apart_is_refused_on_load(tmp_path: Path) -> None:
    network = tiny_network()
    with torch.no_grad():
        for parameter in network.text.bert.parameters():
            parameter.zero_()
        for layer in network.text.bert.encoder.layer:
            layer.output.LayerNorm.bias.fill_(1.0)
    checkpoint = write_release(tmp_path / "F.pth", network)
    convert(checkpoint, tmp_path / "tiny", tiny_config(), write_vocabulary(tmp_path / "bert"))
    with pytest.raises(ModelError, match="does not tell prompts apart"):
        read_retizero_folder(tmp_path / "tiny", CPU)


def test_a_folder_whose_weights_were_exchanged_is_refused(tmp_path: Path) -> None:
    folder = _converted(tmp_path)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="SHA-256 differs"):
        read_retizero_folder(folder, CPU)


def test_a_folder_that_holds_something_is_never_overwritten(tmp_path: Path) -> None:
    folder = _converted(tmp_path)
    with pytest.raises(ModelError, match="not empty"):
        convert(tmp_path / "RetiZero.pth", folder, tiny_config())
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_a_model_converted_for_a_larger_input_takes_it(tmp_path: Path) -> None:
    encoder = read_retizero_folder(_converted(tmp_path, image_size=48), CPU)
    assert encoder.preprocess.size == 48
    assert encoder.encode_images(np.zeros((1, 3, 48, 48), np.float32)).shape == (1, 12)


def test_a_fine_tuned_file_becomes_a_classifier_folder(tmp_path: Path) -> None:
    network, pixels = tiny_classifier(4), torch.randn(2, 3, 32, 32)
    torch.save({"state_dict": finetuned_tensors(network)}, tmp_path / "F.pth")
    convert(tmp_path / "F.pth", tmp_path / "classifier", tiny_config())
    loaded, identity = read_classifier_folder(tmp_path / "classifier")
    with torch.inference_mode():
        assert torch.equal(loaded(pixels), network(pixels))
    assert "4 classes" in identity.title
    with pytest.raises(ModelError, match="retizero-classifier where a retizero is needed"):
        read_retizero_folder(tmp_path / "classifier", CPU)


def test_the_release_file_dropped_into_the_models_folder_is_the_model_retizero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny_network()
    write_release(tmp_path / "RetiZero.pth", network)
    (tmp_path / "RetiZero.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    write_vocabulary(tmp_path)
    monkeypatch.setenv("RETIZERO_MODELS_DIR", str(tmp_path))
    assert next(each for each in known_models() if each.id == "retizero").present
    encoder = load_model("retizero", "cpu")
    assert isinstance(encoder, RetiZeroEncoder)
    ids = read_tokenizer(tmp_path).encode("a fundus photograph of b").ids
    with torch.inference_mode():
        expected = network.encode_text(torch.tensor([ids])).numpy()
    np.testing.assert_allclose(encoder.encode_texts(["a fundus photograph of b"]), expected, atol=1e-6)


def test_a_converted_folder_and_the_file_itself_load_by_path(tmp_path: Path) -> None:
    assert load_model(_converted(tmp_path), "cpu").encode_texts(["normal"]).shape == (1, 12)
    with pytest.raises(CheckpointMismatch, match=r"RetiZero\.pth does not fit the model"):
        load_model(tmp_path / "RetiZero.pth", "cpu")  # not of the published size
