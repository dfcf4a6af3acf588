"""Which model answers in the demo: only one that is here, the default unless another is chosen."""

from types import SimpleNamespace

import pytest

from retizero.serving import Engine
from webapp import models as webapp_models
from webapp.language import Language
from webapp.models import Models
from webapp.pages.demo import picker, similar


class FakeEngine:
    def __init__(self, id):
        self.identity = SimpleNamespace(
            id=id, title=f"Model {id}", architecture="none", trained_on="", licence="", template="{label}",
            weights_sha256="0" * 64,
        )  # fmt: skip


@pytest.fixture
def loaded(monkeypatch):
    """Ids in the order in which models were loaded; three are here, one is not."""
    here = [
        SimpleNamespace(id=id, title=f"Model {id}", present=id != "gone") for id in ("a", "b", "c", "gone")
    ]
    monkeypatch.setattr(webapp_models, "known_models", lambda: here)
    order = []
    monkeypatch.setattr(Engine, "load", lambda id, device: order.append(id) or FakeEngine(id))
    return order


def test_only_models_that_are_here_can_be_chosen_and_the_default_comes_first(loaded):
    assert [id for _, id in Models(FakeEngine("b"), "cpu").choices()] == ["b", "a", "c"]


def test_anything_but_an_id_that_is_here_means_the_default(loaded):
    models = Models(FakeEngine("a"), "cpu")
    for id in ("a", "", None, "gone", "../secret", "local-dir:/etc", "hf-hub:x/y"):
        assert models.engine(id) is models.default
    assert loaded == []


def test_another_model_is_loaded_when_it_is_first_asked_and_kept_until_a_third_one_is(loaded):
    models = Models(FakeEngine("a"), "cpu")
    assert models.engine("b") is models.engine("b")
    assert models.engine("c").identity.id == "c"
    models.engine("b")
    assert loaded == ["b", "c", "b"]


def test_a_gallery_of_another_model_is_refused_in_words(loaded):
    models = Models(FakeEngine("a"), "cpu")
    rooms = SimpleNamespace(
        models=models, with_model=lambda id: SimpleNamespace(models=models, engine=models.engine(id))
    )
    found, said, table = similar.similar(rooms, Language("en"), "photo.png", 5, model="b")
    assert (found, table) == ([], "")
    assert "embedded by a" in said


def test_the_page_says_who_answers_and_admits_what_is_not_stated():
    said = picker.who(Language("en"), FakeEngine("a").identity)
    assert "Model a answers here." in said
    assert "Trained on: not stated." in said
    assert "0" * 64 in picker.facts(Language("zh"), FakeEngine("a").identity)
