"""On a ZeroGPU Space a GPU is lent for each call; elsewhere nothing is different."""

import sys
from types import SimpleNamespace

import pytest
import torch

from retizero import phantom
from retizero.knowledge import label_set
from retizero.model.zero_gpu import announce, with_lent_gpu, zero_gpu
from retizero.serving import Engine
from tests.retizero.tiny_models import write_tiny_model

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class FakeSpaces:
    """Counts which functions were handed in and when a GPU was lent."""

    def __init__(self):
        self.handed, self.lent, self.holds, self.started = [], [], False, 0
        self.zero = SimpleNamespace(startup=self._start)

    def GPU(self, function, duration):
        self.handed.append((function, duration))

        def with_gpu(*given):
            self.lent.append(function)
            self.holds = True
            try:
                return function(*given)
            finally:
                self.holds = False

        return with_gpu

    def _start(self):
        self.started += 1


@pytest.fixture
def spaces(monkeypatch):
    fake = FakeSpaces()
    monkeypatch.setitem(sys.modules, "spaces", fake)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    return fake


def test_elsewhere_a_function_stays_itself_even_where_the_package_is_installed(spaces, monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU")
    assert zero_gpu() is None
    assert with_lent_gpu(len, CUDA) is len
    announce()
    assert (spaces.handed, spaces.started) == ([], 0)


def test_a_space_without_the_package_works_without_a_gpu(monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert with_lent_gpu(len, CUDA) is len


def test_a_model_on_the_processor_borrows_nothing(spaces):
    assert with_lent_gpu(len, CPU) is len


def test_a_function_gets_a_gpu_for_its_call_and_gives_it_back(spaces):
    lent = with_lent_gpu(lambda pixels: (spaces.holds, len(pixels)), CUDA)
    assert not spaces.holds
    assert lent([1, 2]) == (True, 2)
    assert not spaces.holds
    assert [duration for _, duration in spaces.handed] == [60]


def test_the_space_is_told_when_everything_is_loaded(spaces):
    announce()
    assert spaces.started == 1


def test_every_pass_through_an_engines_model_is_made_with_a_lent_gpu(spaces, tmp_path):
    write_tiny_model(tmp_path / "tiny")
    model = Engine.load(str(tmp_path / "tiny"), "cpu").model
    encode = model.encode_images, model.encode_texts
    passes = []
    model.device = CUDA  # where it would lie; the passes below go on computing where they can
    model.encode_images = lambda pixels: passes.append(spaces.holds) or _on_cpu(model, encode[0], pixels)
    model.encode_texts = lambda texts: passes.append(spaces.holds) or _on_cpu(model, encode[1], texts)
    engine = Engine(model)
    assert len(spaces.handed) == 3
    answer = engine.classify(phantom.render("drusen", 1, size=160), label_set("demo14"))
    assert len(answer.predictions) == 5
    assert passes == [True, True]


def _on_cpu(model, function, given):
    model.device = CPU
    try:
        return function(given)
    finally:
        model.device = CUDA


def test_a_model_is_loaded_and_checked_on_the_processor_before_it_is_moved(spaces, tmp_path, monkeypatch):
    from retizero.model import dual_encoder, load_model

    write_tiny_model(tmp_path / "tiny")
    moved = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(dual_encoder.DualEncoder, "move", lambda model, device: moved.append(device))
    model = load_model(tmp_path / "tiny", "auto")
    assert model.device == CPU
    assert moved == [CUDA]
