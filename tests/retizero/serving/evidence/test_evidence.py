"""An evidence map lies where the evidence lies, in the photograph that the user gave."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from retizero import phantom
from retizero.data import Preprocess
from retizero.knowledge import LabelError, label_set
from retizero.model import ModelError
from retizero.model.dual_encoder import DualEncoder
from retizero.model.identity import ModelIdentity
from retizero.model.retizero.folder import serve
from retizero.model.retizero.tokenizer import read_tokenizer
from retizero.serving import Engine
from retizero.serving.evidence.drawing import colours
from tests.retizero.model.tiny_retizero import tiny_network, write_vocabulary
from tests.retizero.tiny_models import tiny_tokenizer, write_tiny_model

SIZE = 64


class Blueness(nn.Module):
    """Embeds a photograph as its mean (green, blue), pooled from patches of eight pixels."""

    def __init__(self):
        super().__init__()
        self.patches = nn.AvgPool2d(8)
        self.global_pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, pixels):
        return self.global_pool(self.patches(pixels[:, 1:]))[:, :, 0, 0] + 0.05


class BlueTowers(nn.Module):
    """A text is blue, whatever it says."""

    def __init__(self):
        super().__init__()
        self.visual = Blueness()
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def encode_image(self, pixels):
        return self.visual(pixels)

    def encode_text(self, ids):
        return torch.tensor([[0.0, 1.0]]).expand(len(ids), 2)


def blue_engine(crop="field", **identity):
    made = ModelIdentity(
        id="blue", title="Blue", architecture="none", embed_dim=2, weights_sha256="",
        preprocess=Preprocess(SIZE, (0, 0, 0), (1, 1, 1), crop).to_dict(),
        **identity,
    )  # fmt: skip
    return Engine(DualEncoder(BlueTowers().eval(), tiny_tokenizer(), made, 77, torch.device("cpu")))


def eye_with_a_blue_spot(x, y, size=(300, 420), radius=120, centre=(230, 150)):
    """A green disc on black, with a blue spot at (x, y)."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.zeros((*size, 3), np.uint8)
    image[np.hypot(columns - centre[0], rows - centre[1]) <= radius] = (40, 120, 20)
    image[np.hypot(columns - x, rows - y) <= 14] = (10, 10, 250)
    return image


@pytest.mark.parametrize(("x", "y"), [(160, 120), (290, 90), (230, 220)])
@pytest.mark.parametrize("options", [{}, {"mirror": True}, {"crop": "squash"}], ids=str)
def test_the_map_peaks_where_the_evidence_was_put(x, y, options):
    image = eye_with_a_blue_spot(x, y)
    found = blue_engine(**options).explain(image, "drusen")
    assert found.map.shape == image.shape[:2]
    assert found.map.dtype == np.float32
    assert found.map.max() == pytest.approx(1, abs=0.1)
    peak_x, peak_y = found.peak[0] * image.shape[1], found.peak[1] * image.shape[0]
    # Within a patch: 30 pixels of the crop, more where the whole picture is squashed onto eight patches.
    assert np.hypot(peak_x - x, peak_y - y) < 40
    assert found.map[:40, :40].max() == 0
    assert found.method == "cam"
    assert 0 < found.area < 0.2


@pytest.fixture(scope="module")
def photograph():
    return phantom.render("macular-hole", 5, size=160)


@pytest.fixture(scope="module")
def retizero_engine(tmp_path_factory):
    made = ModelIdentity(
        id="tiny-retizero", title="Tiny", architecture="ViT", embed_dim=12, weights_sha256="",
        preprocess=Preprocess(size=32, crop="squash").to_dict(),
    )  # fmt: skip
    tokenizer = read_tokenizer(write_vocabulary(tmp_path_factory.mktemp("bert")))
    return Engine(serve(tiny_network(), tokenizer, made, torch.device("cpu"), exact=True))


@pytest.fixture(scope="module")
def embedded_engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(folder)
    return Engine.load(str(folder), "cpu")


def test_relevance_depends_on_the_text_and_rollout_does_not(retizero_engine, photograph):
    maps = {
        (method, label): retizero_engine.explain(photograph, label, method=method).map
        for method in ("relevance", "rollout")
        for label in ("retinal detachment", "normal fundus")
    }
    assert all(each.min() >= 0 and each.max() <= 1 and each.max() > 0.5 for each in maps.values())
    rollouts = maps["rollout", "retinal detachment"], maps["rollout", "normal fundus"]
    relevances = maps["relevance", "retinal detachment"], maps["relevance", "normal fundus"]
    assert np.array_equal(*rollouts)
    assert np.abs(relevances[0] - relevances[1]).max() > 0.01


def test_a_model_is_explained_by_the_method_that_suits_it(retizero_engine, embedded_engine, photograph):
    assert retizero_engine.explain(photograph, "drusen").method == "relevance"
    assert embedded_engine.explain(photograph, "drusen").method == "cam"
    with pytest.raises(ModelError, match="use relevance or rollout"):
        retizero_engine.explain(photograph, "drusen", method="cam")
    with pytest.raises(ModelError, match="convolutional: use cam"):
        embedded_engine.explain(photograph, "drusen", method="rollout")
    with pytest.raises(ModelError, match="is unknown"):
        embedded_engine.explain(photograph, "drusen", method="magic")


def test_explaining_changes_no_answer(embedded_engine, retizero_engine, photograph):
    for engine in (embedded_engine, retizero_engine):
        before = engine.embed_image([photograph])
        engine.explain(photograph, "drusen")
        assert np.array_equal(engine.embed_image([photograph]), before)


def test_the_answer_says_who_was_asked_what(embedded_engine, photograph):
    row = embedded_engine.explain(photograph, "CRVO", among=label_set("demo14")).to_json()
    assert row["id"] == "central-retinal-vein-occlusion"
    assert row["model"]["id"] == "tiny"
    assert -1 <= row["similarity"] <= 1
    by_id = embedded_engine.explain(photograph, "macular-hole")
    assert by_id.label == "macular hole"
    free = embedded_engine.explain(photograph, prompt="a photograph of something")
    assert (free.id, free.label) == ("", "a photograph of something")


def test_a_question_without_one_diagnosis_is_refused(embedded_engine, photograph):
    for wrong in ({}, {"label": " "}, {"label": "drusen", "prompt": "drusen"}):
        with pytest.raises(ModelError, match="one diagnosis or one prompt"):
            embedded_engine.explain(photograph, **wrong)
    with pytest.raises(LabelError, match="not a list"):
        embedded_engine.explain(photograph, "drusen; glaucoma")


def test_the_drawing_shows_the_photograph_where_nothing_speaks_for_the_text():
    image = eye_with_a_blue_spot(160, 120)
    found = blue_engine().explain(image, "drusen")
    picture = np.asarray(Image.open(BytesIO(found.png(image, opacity=0.7))))
    assert picture.shape == image.shape
    nothing = found.map == 0
    assert np.array_equal(picture[nothing], image[nothing])
    assert np.abs(picture[120, 160].astype(int) - image[120, 160]).max() > 50
    assert np.array_equal(found.over(image, opacity=0), image)


def test_colours_rise_in_lightness_so_that_hue_is_not_needed():
    painted = colours(np.linspace(0, 1, 64, dtype=np.float32)).astype(float)
    lightness = painted @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).mean() > 0.95
    assert lightness[-1] - lightness[0] > 150
