"""What the model card is made of."""

import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from docs.calibration_plot import calibration_plot
from docs.model_card import main, missed_table, sure_table

SVG = "{http://www.w3.org/2000/svg}"
BINS = [
    {"n": 40, "confidence": 0.25, "accuracy": 0.5},
    {"n": 10, "confidence": 0.75, "accuracy": 1.0},
    {"n": 0, "confidence": 0.9, "accuracy": 0.0},
]
REPORT = {
    "protocol": {"candidates": ["drusen", "glaucoma", "cataract"]},
    "per_label": [
        {"id": "drusen", "label": "drusen", "n": 4, "top5": 0.5},
        {"id": "glaucoma", "label": "glaucoma", "n": 9, "top5": 1.0},
        {"id": "cataract", "label": "cataract", "n": 3, "top5": 0.0},
    ],
    "images": [
        {"truth": ["drusen"], "scores": [0.2, 0.7, 0.1], "source": "A"},
        {"truth": ["drusen"], "scores": [0.05, 0.9, 0.05], "source": "B"},
        {"truth": ["drusen", "cataract"], "scores": [0.1, 0.3, 0.6], "source": "A"},
        {"truth": ["drusen"], "scores": [0.8, 0.1, 0.1], "source": "A"},
    ],
}


def test_the_calibration_plot_has_a_point_and_an_interval_for_every_bin_with_images():
    picture = ElementTree.fromstring(calibration_plot(BINS))
    points = picture.findall(f"{SVG}circle")
    assert len(points) == 2
    low, high = points
    assert float(low.get("cx")) < float(high.get("cx"))  # more probable is further right
    assert float(low.get("cy")) > float(high.get("cy"))  # more often right is further up
    assert float(low.get("r")) > float(high.get("r"))  # more images are larger
    blue = low.get("fill")
    intervals = [line for line in picture.findall(f"{SVG}line") if line.get("stroke") == blue]
    reach = [abs(float(line.get("y1")) - float(line.get("y2"))) for line in intervals]
    assert reach[0] == pytest.approx(320 * (0.6480 - 0.3520), abs=1)  # Wilson, 20 of 40
    assert picture.find(f"{SVG}desc").text


def test_a_card_that_cannot_be_measured_is_refused_in_one_sentence(tmp_path, capsys):
    only_train = tmp_path / "m.csv"
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    only_train.write_text("image,label,split\na.png,drusen,train\n")
    for manifest, told in ((tmp_path / "none.csv", "none.csv"), (only_train, "no row with split 'val'")):
        assert main(["--manifest", str(manifest), "--model", str(tmp_path)]) == 2
        assert told in capsys.readouterr().err


def test_missed_labels_say_what_was_answered_instead_and_leave_out_tiny_ones():
    table = missed_table(REPORT)
    assert "drusen | 4 | 0.500 | glaucoma (2); cataract (1)" in table.lower()
    assert "| 9 |" not in table
    assert "| 3 |" not in table


def test_the_surest_mistakes_come_first_and_right_answers_are_none():
    lines = sure_table(REPORT).splitlines()[2:]
    assert [line.split(" | ")[2] for line in lines] == ["0.900", "0.700"]
    assert lines[1].split(" | ")[3] == "2"
