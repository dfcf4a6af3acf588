"""A compiled tower answers like the plain one, or is not used."""

import pytest
import torch

from retizero import phantom
from retizero.model import ModelError, load_model
from retizero.model.compiled import compile_image_tower
from retizero.model.export.sample import phantom_sample
from tests.retizero.tiny_models import write_tiny_model


@pytest.fixture
def model(tmp_path):
    write_tiny_model(tmp_path / "tiny")
    return load_model(tmp_path / "tiny", "cpu")


@pytest.fixture
def sample(model):
    return phantom_sample(model, phantom.LABELS[:2], size=96)


def _replace_compiler(monkeypatch, compiler):
    monkeypatch.setattr(torch, "compile", lambda function, options: compiler(function))


def test_a_compiled_tower_answers_and_says_so(model, sample, monkeypatch):
    calls = []
    _replace_compiler(monkeypatch, lambda plain: lambda pixels: calls.append(len(pixels)) or plain(pixels))
    agreement = compile_image_tower(model, sample)
    assert calls == [2]
    assert (agreement.same_order, agreement.photographs) == (2, 2)
    assert model.identity.arithmetic == "float32, compiled"


def test_a_compiled_tower_with_other_answers_is_refused_and_the_plain_one_goes_on(model, sample, monkeypatch):
    expected = model.encode_images(sample.pixels)
    _replace_compiler(monkeypatch, lambda plain: lambda pixels: plain(pixels).flip(-1))
    with pytest.raises(ModelError, match="The compiled tiny does not give the answers"):
        compile_image_tower(model, sample)
    assert (model.encode_images(sample.pixels) == expected).all()
    assert model.identity.arithmetic == "float32"


def test_a_machine_without_a_compiler_is_told_in_a_sentence(model, sample, monkeypatch):
    def fail(pixels):
        raise RuntimeError("no C++\n  compiler")

    _replace_compiler(monkeypatch, lambda plain: fail)
    with pytest.raises(ModelError, match=r"torch\.compile does not work on this machine: no C\+\+ compiler"):
        compile_image_tower(model, sample)
    assert model.encode_images(sample.pixels).shape == (2, 16)
