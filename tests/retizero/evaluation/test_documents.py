"""HTML and Markdown say what the JSON says, and neither runs what a manifest contains."""

import json
import re

import pytest

from retizero.evaluation import EvaluationError, compare_results, evaluate_retrieval, evaluate_zero_shot
from retizero.evaluation.documents import to_csv, to_html, to_markdown
from retizero.evaluation.tables import tables_of
from tests.retizero.evaluation.colour_engine import ColourEngine, paint

LINES = [
    "a.png,glaucoma,p1,<script>alert(1)</script>|200 30 10",
    "b.png,macular hole,p2,=cmd()|10 200 30",
    "c.png,macular hole,p3,s2|200 100 30",
    "d.png,glaucoma,p4,s2|200 10 30",
]


@pytest.fixture
def results(tmp_path):
    manifest = paint(tmp_path, LINES)
    zero_shot = evaluate_zero_shot(ColourEngine(calibrated=True), manifest)
    retrieval = evaluate_retrieval(ColourEngine(), manifest)
    return {
        "zero_shot": zero_shot,
        "retrieval": retrieval,
        "comparison": compare_results(zero_shot, zero_shot),
    }


@pytest.mark.parametrize("kind", ["zero_shot", "retrieval", "comparison"])
@pytest.mark.parametrize("code", ["en", "zh"])
def test_every_cell_of_every_table_stands_in_both_documents(results, kind, code):
    report = results[kind]
    html, markdown = to_html(report, code), to_markdown(report, code)
    cells = [cell for table in tables_of(report, None, code) for row in table.rows for cell in row]
    assert len(cells) > 8
    for cell in cells:
        assert cell.replace("<", "&lt;").replace(">", "&gt;") in html
        assert cell in markdown
    assert f'lang="{"zh-CN" if code == "zh" else "en"}"' in html


def test_the_page_needs_no_network_and_runs_nothing_of_a_manifest(results):
    html = to_html(results["zero_shot"])
    assert "<script>alert" not in html
    page = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r"(src|href)=", page)


def test_figures_are_drawn_from_the_reports_numbers(results):
    html = to_html(results["zero_shot"])
    figures = json.loads(re.search(r"const FIGURES = (\{.*?\});\n", html, re.DOTALL)[1])
    values = [each["value"] for each in results["zero_shot"]["top_k"].values()]
    assert figures["measures"]["data"][0]["x"][: len(values)] == values


def test_csv_holds_no_formula(results):
    assert not re.search(r"(^|,)[=@]", to_csv(results["zero_shot"]), re.MULTILINE)


def test_something_else_is_refused():
    with pytest.raises(EvaluationError, match="not a result"):
        to_markdown({"protocol": {}, "problems": []})
