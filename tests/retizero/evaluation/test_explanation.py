"""Deletion and insertion tell a faithful map from one that knows nothing."""

import json

import numpy as np
import pytest
from PIL import Image

from retizero.data import read_manifest
from retizero.evaluation import EvaluationError, evaluate_explanations
from retizero.evaluation.documents import to_html, to_markdown
from retizero.evaluation.explanation import exchanged, nearness, shuffled
from retizero.knowledge import parse_labels
from tests.retizero.serving.evidence.test_evidence import blue_engine, eye_with_a_blue_spot

LABELS = parse_labels("drusen; glaucoma")


def test_pictures_are_exchanged_from_the_greatest_value_on():
    start, end = np.zeros((3, 4, 4), np.float32), np.ones((3, 4, 4), np.float32)
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    on_the_way = exchanged(start, end, values, 4)
    assert [picture.mean() for picture in on_the_way] == [0, 0.25, 0.5, 0.75, 1]
    assert on_the_way[1][0].tolist() == [[0] * 4, [0] * 4, [0] * 4, [1] * 4]


def test_a_shuffled_map_keeps_its_values_where_something_is_seen():
    values = np.arange(1, 10, dtype=np.float32).reshape(3, 3)
    seen = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], bool)
    mixed = shuffled(values, seen, np.random.default_rng(3))
    assert sorted(mixed[seen]) == sorted(values[seen])
    assert mixed[~seen].max() == 0
    assert not np.array_equal(mixed, values * seen)


def test_nearness_is_greatest_in_the_middle():
    grid = nearness(5)
    assert grid.argmax() == 12
    assert grid[0, 0] == grid[4, 4] == grid.min()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eyes")
    lines = ["image,label,group"]
    for number, (x, y) in enumerate([(160, 120), (290, 90), (230, 220), (250, 120), (200, 180), (180, 90)]):
        Image.fromarray(eye_with_a_blue_spot(x, y)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,drusen,{number}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    engine = blue_engine(temperature=0.05)
    blue = {"drusen": (0.0, 1.0), "glaucoma": (1.0, 0.0)}
    engine.label_embeddings = lambda labels: np.array([blue[id] for id in labels.ids], np.float32)
    manifest = read_manifest(folder / "manifest.csv")
    return evaluate_explanations(engine, manifest, LABELS, images=5, steps=8, resamples=200)


def test_a_faithful_map_beats_maps_that_know_nothing(report):
    assert report["n"] == 5
    first = report["deletion"]["evidence"]["value"], report["insertion"]["evidence"]["value"]
    assert first[0] < report["deletion"]["random"]["value"]
    assert first[1] > report["insertion"]["random"]["value"]
    assert report["deletion"]["better_than_random"]["ci"][0] > 0
    assert report["won"]["insertion"]["value"] == 1
    start, end = (report["curves"]["deletion"]["evidence"][i] for i in (0, -1))
    assert report["curves"]["insertion"]["evidence"][-1] == pytest.approx(start)
    assert report["curves"]["insertion"]["random"][0] == pytest.approx(end)


def test_the_result_is_told_in_json_markdown_and_html(report):
    assert json.loads(json.dumps(report, allow_nan=False))["protocol"]["method"] == "cam"
    assert "gain over the shuffled map" in to_markdown(report)
    page = to_html(report, "zh")
    assert "删除" in page
    assert 'id="figure-insertion"' in page


def test_numbers_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(EvaluationError, match="at least 1 image, 2 steps"):
        evaluate_explanations(blue_engine(), None, LABELS, images=0)
