"""Exported towers answer like the model, or are not used."""

import json

import numpy as np
import pytest

from retizero import phantom
from retizero.cli import main
from retizero.knowledge import label_set
from retizero.model import ModelError, load_model
from retizero.model.agreement import Agreement, measure_agreement
from retizero.model.convert import convert
from retizero.model.export import formats
from retizero.model.export.folder import write_export
from retizero.model.export.sample import phantom_sample
from retizero.serving import Engine
from tests.retizero.model.test_open_clip_models import write_biomedclip, write_native
from tests.retizero.model.tiny_retizero import tiny_config, tiny_network, write_release, write_vocabulary
from tests.retizero.tiny_models import write_tiny_model

PROMPTS = ["normal", "retinal detachment", "a fundus photograph of b", "c - d - e f g h"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A convolutional model with its mirror image, and a transformer with LoRA, as folders."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "mini").mkdir()
    write_tiny_model(folder / "mini", mirror=True)
    checkpoint = write_release(folder / "RetiZero.pth", tiny_network())
    convert(checkpoint, folder / "retizero", tiny_config(), write_vocabulary(folder / "bert"))
    return folder


@pytest.fixture(scope="module")
def onnx(models):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    for name in ("mini", "retizero"):
        source = load_model(models / name, "cpu", exact=True)
        agreement = write_export(
            source, "onnx", models / f"{name}-onnx", phantom_sample(source, phantom.LABELS[:6], size=96)
        )
        assert not agreement.problems
    return models


@pytest.mark.parametrize("name", ["mini", "retizero"])
def test_an_exported_model_gives_the_models_embeddings_for_any_number_and_length(onnx, name):
    source, exported = load_model(onnx / name, "cpu", exact=True), load_model(onnx / f"{name}-onnx", "cpu")
    size = source.preprocess.size
    pixels = np.random.default_rng(0).normal(size=(5, 3, size, size)).astype(np.float32)
    for count in (1, 5):
        expected = source.encode_images(pixels[:count])
        np.testing.assert_allclose(exported.encode_images(pixels[:count]), expected, atol=2e-5)
    np.testing.assert_allclose(exported.encode_texts(PROMPTS), source.encode_texts(PROMPTS), atol=2e-5)
    assert exported.logit_scale == pytest.approx(source.logit_scale)
    assert exported.identity.weights_sha256 == source.identity.weights_sha256
    assert exported.identity.arithmetic == "float32 (ONNX Runtime)"


def test_an_exported_model_is_used_like_any_other_and_ranks_the_same(onnx):
    labels, photograph = label_set("demo14"), phantom.render("drusen", 1, size=160)
    rows = [Engine.load(str(onnx / name), "cpu").examine(photograph)[1] for name in ("mini", "mini-onnx")]
    np.testing.assert_allclose(rows[0], rows[1], atol=2e-5)
    engine = Engine.load(str(onnx / "mini-onnx"), "cpu")
    assert np.argmax(engine.logits(rows[1], labels)) == np.argmax(
        Engine.load(str(onnx / "mini"), "cpu").logits(rows[0], labels)
    )
    with pytest.raises(ModelError, match="cannot show its evidence"):
        engine.explain(photograph, "drusen")


@pytest.mark.parametrize("write", [write_biomedclip, write_native])
def test_a_published_open_clip_model_is_exported_with_its_own_tokenizer(tmp_path, write):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    write(tmp_path / "published")
    source = load_model(tmp_path / "published", "cpu")
    agreement = write_export(
        source, "onnx", tmp_path / "out", phantom_sample(source, phantom.LABELS[:2], size=96)
    )
    assert not agreement.problems
    exported = load_model(tmp_path / "out", "cpu")
    np.testing.assert_allclose(exported.encode_texts(PROMPTS), source.encode_texts(PROMPTS), atol=2e-5)


def _change(folder, **facts):
    path = folder / "export.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


@pytest.fixture
def exported(onnx, tmp_path):
    import shutil

    return shutil.copytree(onnx / "mini-onnx", tmp_path / "copy")


def test_an_export_that_did_not_agree_is_refused_whatever_its_verdict_says(exported):
    facts = json.loads((exported / "export.json").read_text())["agreement"]
    assert facts["passed"]
    _change(exported, agreement={**facts, "min_image_cosine": 0.9, "same_order": 4})
    with pytest.raises(ModelError, match=r"is not used: .*cosine of 0\.9000.*changed for 2 of 6 photographs"):
        load_model(exported, "cpu")


def test_an_export_that_computes_otherwise_on_this_machine_is_refused(exported, monkeypatch):
    def turned(path):
        run = formats.open_onnx(path)
        return lambda given: run(given)[:, ::-1].copy()

    monkeypatch.setitem(
        formats._FORMATS, "onnx", formats.Format(**{**vars(formats._FORMATS["onnx"]), "open": turned})
    )
    with pytest.raises(ModelError, match="does not give here the embeddings"):
        load_model(exported, "cpu")


def test_an_exchanged_or_missing_file_is_refused_by_name(exported):
    with (exported / "image.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"image\.onnx is not the file that export\.json names"):
        load_model(exported, "cpu")
    (exported / "image.onnx").unlink()
    with pytest.raises(ModelError, match=r"lacks image\.onnx"):
        load_model(exported, "cpu")


def test_an_export_of_an_export_and_a_folder_in_use_are_refused(onnx, exported, tmp_path):
    source, sample = (
        load_model(exported, "cpu"),
        phantom_sample(load_model(onnx / "mini"), phantom.LABELS[:2], size=96),
    )
    with pytest.raises(ModelError, match="is an export already"):
        write_export(source, "onnx", tmp_path / "again", sample)
    with pytest.raises(ModelError, match="not empty"):
        write_export(load_model(onnx / "mini", "cpu"), "onnx", exported, sample)


def test_without_the_runtime_one_sentence_says_what_to_install(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    command = ["models", "export", str(models / "mini"), "--format", "openvino", "--out", str(tmp_path / "x")]
    assert main(command) == 2
    assert capsys.readouterr().err.strip().splitlines() == [
        "This needs the package openvino, which is optional: pip install openvino."
    ]
    assert not (tmp_path / "x").exists()


def test_the_command_writes_a_folder_and_tells_the_agreement(onnx, tmp_path, capsys):
    manifest = phantom.write_dataset(tmp_path / "phantoms", 3, seed=1, size=96)
    del manifest
    command = ["models", "export", str(onnx / "mini"), "--out", str(tmp_path / "out"), "--json"]
    assert main([*command, "--manifest", str(tmp_path / "phantoms" / "manifest.csv")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["agreement"]["passed"]
    assert told["agreement"]["sample"] == "3 photographs of manifest.csv"
    assert told["agreement"]["min_image_cosine"] > 0.9999
    stored = json.loads((tmp_path / "out" / "export.json").read_text())["agreement"]
    assert stored == told["agreement"]


class Fixed:
    """Embeds photographs and prompts as told."""

    has_text = True

    def __init__(self, images, texts):
        self.images, self.texts = images, texts

    def encode_images(self, pixels):
        return self.images

    def encode_texts(self, prompts):
        return self.texts


def test_agreement_counts_photographs_whose_five_best_come_in_the_same_order():
    texts = np.eye(7, dtype=np.float32)
    images = np.array([[7, 6, 5, 4, 3.5, 2, 1], [1, 1.5, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3.5, 2, 1]], np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    other = images.copy()
    other[1, [0, 1]] = other[1, [1, 0]]  # sixth and seventh: not among the five
    other[2, [3, 4]] = other[2, [4, 3]]
    agreement = measure_agreement(Fixed(images, texts), Fixed(other, texts), images, list("abcdefg"), "three")
    assert (agreement.same_order, agreement.photographs, agreement.prompts) == (2, 3, 7)
    assert agreement.min_image_cosine == pytest.approx(1 - 0.5**2 / 138.25, abs=1e-6)
    assert agreement.problems == ("the five best labels changed for 1 of 3 photographs",)
    assert Agreement.from_dict(agreement.to_dict()) == agreement


def test_embeddings_that_are_not_numbers_do_not_agree():
    good = np.eye(7, dtype=np.float32)
    agreement = measure_agreement(Fixed(good, good), Fixed(good * np.nan, good), good, list("abcdefg"), "s")
    assert "cosine of -1.0000" in agreement.problems[0]
