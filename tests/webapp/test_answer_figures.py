"""The chart of ranked diagnoses."""

import pytest

from webapp.figures.answers import ranking
from webapp.language import Language


@pytest.mark.parametrize(
    ("name", "least"), [("Drusen", 46), ("视网膜动脉阻塞 (Retinal artery occlusion)", 3 * 18)]
)
def test_a_row_is_as_high_as_its_label(name, least):
    one, two = ranking([name], [0.6], Language("en")), ranking([name, name], [0.6, 0.2], Language("en"))
    assert two.layout.height - one.layout.height >= least
    assert list(two.data[0].y) != list(one.data[0].y)
    assert two.data[0].y[0].count("<br>") == (0 if name == "Drusen" else 2)
