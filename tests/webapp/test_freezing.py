"""The opening of a study in the background: what a model cannot do is left out, what fails is told."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from reader_study.case_list import StudyCase
from reader_study.database import Database
from reader_study.design import create_study
from reader_study.protocol import Protocol
from reader_study.results import study_status
from retizero import phantom
from retizero.model.errors import ModelError
from webapp.freezing import Openings

SYSTEM = "system"


@pytest.fixture
def rooms(tmp_path):
    """Rooms with a draft of one aided case and a model that cannot draw evidence maps."""
    database = Database(f"sqlite:///{tmp_path / 'study.db'}")
    database.create()
    path = tmp_path / "a.png"
    Image.fromarray(phantom.render("drusen", seed=3, size=128)).save(path)
    protocol = Protocol("aided", "Aided", label_set="broad52", arms=("aided",))
    create_study(database, protocol, [StudyCase("A", path, ("drusen",))])

    def explain(*_, **__):
        raise ModelError("This image tower neither attends nor pools features; it has no evidence map.")

    engine = SimpleNamespace(
        identity=SimpleNamespace(to_dict=lambda: {"id": "plain"}),
        embed_image=lambda images: np.ones((len(images), 4), np.float32) / 2,
        similarity=lambda embeddings, labels: np.linspace(0.1, 0.9, len(labels.ids))[None],
        nearest=lambda *_: [],
        explain=explain,
    )
    yield SimpleNamespace(
        database=database,
        engine=engine,
        gallery=SimpleNamespace(now=lambda: None),
        gallery_folder=tmp_path,
        photographs=SimpleNamespace(prepare=lambda photographs: None),
        blinding=SimpleNamespace(learn=lambda: None),
    )
    database.close()


def opened(rooms):
    openings = Openings(rooms)
    openings.start("aided", "broad52", aided=True, actor_id=SYSTEM)
    opening = openings.of("aided")
    limit = time.monotonic() + 60
    while not opening.finished and time.monotonic() < limit:
        time.sleep(0.05)
    return opening, study_status(rooms.database, SYSTEM, "aided").state


def test_a_model_without_evidence_maps_opens_an_aided_study_without_them(rooms):
    opening, state = opened(rooms)
    assert (opening.problem, opening.done, state) == (None, 1, "open")


def test_our_own_fault_ends_the_opening_with_a_sentence(rooms, caplog):
    rooms.engine.similarity = lambda *_: 1 / 0
    opening, state = opened(rooms)
    assert "server's log" in str(opening.problem)
    assert "ZeroDivisionError" in caplog.text
    assert state == "draft"
