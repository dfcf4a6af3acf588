"""The evidence tab says in words what the picture shows, in both languages."""

import re

import numpy as np
import pytest

from retizero.serving.evidence import Evidence
from tests.retizero.serving.evidence.test_evidence import blue_engine, eye_with_a_blue_spot
from webapp.language import Language
from webapp.pages.demo.evidence import figure


@pytest.fixture(scope="module")
def eye():
    return eye_with_a_blue_spot(130, 130)


@pytest.fixture(scope="module")
def found(eye):
    return blue_engine().explain(eye, "drusen")


def test_two_pictures_of_one_size_lie_over_each_other_under_one_description(eye, found):
    shown = figure(Language("en"), eye, found, "Drusen")
    assert len(re.findall(r'<img [^>]*alt=""', shown)) == 2
    (description,) = re.findall(r'role="img" aria-label="([^"]+)"', shown)
    assert description.startswith("Evidence for Drusen: strongest in the left of the photograph")
    assert "not where disease is" in shown
    assert "outline: 50% of the most" in shown
    assert "Answered by Blue" in shown


def test_the_same_is_said_in_chinese(eye, found):
    shown = figure(Language("zh"), eye, found, "玻璃膜疣")
    assert "支持“玻璃膜疣”的证据：照片左侧处最强" in shown
    assert "类激活图" in shown


def test_an_empty_map_is_called_empty_and_names_are_escaped(eye, found):
    nothing = Evidence(np.zeros_like(found.map), "", "<b>", "cam", 8, 0.0, found.model)
    shown = figure(Language("en"), eye, nothing, "<b>")
    assert "Nothing in the photograph speaks for &lt;b&gt;." in shown
    assert "<b>" not in shown
