"""The demo recognises a photograph that is being read, however it was saved, and no other."""

import numpy as np
import pytest
from PIL import Image

from reader_study import states
from reader_study.case_list import StudyCase
from reader_study.database import Database
from reader_study.design import create_study
from reader_study.protocol import Protocol
from retizero import phantom
from webapp.blinding import Blinding


@pytest.fixture
def database(tmp_path):
    found = Database(f"sqlite:///{tmp_path / 'study.db'}")
    found.create()
    yield found
    found.close()


@pytest.fixture
def photograph(tmp_path, database):
    image = phantom.render("macular-hole", seed=12, size=400)
    path = tmp_path / "case.png"
    Image.fromarray(image).save(path)
    create_study(database, Protocol("s", "S"), [StudyCase("C1", path, ("macular-hole",))])
    return image


def test_a_photograph_is_closed_to_the_demo_only_while_its_study_is_open(database, photograph):
    blinding = Blinding(database)
    assert not blinding.is_being_read(photograph)
    states.open_study(database, "s", without_model=True)
    assert blinding.is_being_read(photograph)
    states.lock_study(database, "s")
    assert not blinding.is_being_read(photograph)


def test_saving_it_smaller_darker_or_as_jpeg_does_not_help(database, photograph, tmp_path):
    states.open_study(database, "s", without_model=True)
    blinding = Blinding(database)
    picture = Image.fromarray(photograph)
    picture.resize((250, 250)).save(tmp_path / "small.jpg", quality=60)
    with Image.open(tmp_path / "small.jpg") as small:
        assert blinding.is_being_read(np.asarray(small))
    assert blinding.is_being_read((photograph * 0.8).astype(np.uint8))
    framed = Image.new("RGB", (700, 500))
    framed.paste(picture, (150, 50))
    assert blinding.is_being_read(np.asarray(framed))


def test_other_photographs_stay_open(database, photograph):
    states.open_study(database, "s", without_model=True)
    blinding = Blinding(database)
    for seed, label in enumerate(("macular-hole", "drusen", "glaucoma", "normal-fundus")):
        assert not blinding.is_being_read(phantom.render(label, seed=300 + seed, size=400))
