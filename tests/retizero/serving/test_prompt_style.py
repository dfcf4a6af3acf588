"""The same weights asked in another wording."""

import numpy as np
import pytest

from retizero import phantom
from retizero.knowledge import label_set
from retizero.serving import Engine
from tests.retizero.tiny_models import write_tiny_model

LABELS = label_set("demo14")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    conformal = {"candidates": list(LABELS.ids), "threshold": 0.9, "coverage": 0.9, "n": 10}
    write_tiny_model(path, conformal=conformal, prompt_style="ensemble", temperature=2.0)
    return Engine.load(str(path), "cpu")


def test_another_wording_changes_the_labels_and_not_the_engine_it_came_from(engine):
    before = engine.label_embeddings(LABELS)
    other = engine.with_prompt_style("name")
    assert np.abs(other.label_embeddings(LABELS) - before).max() > 1e-4
    assert np.array_equal(engine.label_embeddings(LABELS), before)
    assert engine.identity.prompt_style == "ensemble"
    assert other.identity.prompt_style == "name"


def test_another_wording_makes_no_conformal_promise(engine):
    photograph = phantom.render("drusen", 1, size=160)
    assert engine.classify(photograph, LABELS).coverage == 0.9
    assert engine.with_prompt_style("findings").classify(photograph, LABELS).coverage is None
