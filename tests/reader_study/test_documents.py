"""The report to read says what the JSON says: nothing is computed again, left out or run."""

import copy
import json
import re

import pytest

from reader_study.analysis import report
from reader_study.analysis.table import AnalysedCase, AnalysedReader, ModelAnswer, Read, StudyTable
from reader_study.documents import to_html, to_markdown
from reader_study.documents.checklists import checklist
from reader_study.documents.figures import figures_of
from reader_study.documents.language import say_in
from reader_study.documents.tables import tables_of

CASES = [f"c{n}" for n in range(12)]


def study(arms=("unaided", "aided"), readers=3, model=True, name="pilot"):
    """A small study in which readers are right more often with help."""
    reads = [
        Read(f"R{r}", case, arm, period, ("a" if right else "b",), int(right), 0, 3, 20.0 + r + n)
        for r in range(readers)
        for period, arm in enumerate(arms, 1)
        for n, case in enumerate(CASES)
        for right in [(n + r) % (r + (3 if arm == "unaided" else 4)) > 0]
    ]
    answers = [ModelAnswer(case, ("a",), (0.9,), int(n % 5 > 0)) for n, case in enumerate(CASES)]
    return StudyTable(
        study={"name": name, "rule": "same", "truths": "any", "synthetic": True},
        k=1,
        cases=tuple(AnalysedCase(case, ("a",), rare=False) for case in CASES),
        readers=tuple(AnalysedReader(f"R{r}", f"S{r % 2}", 5, arms[0]) for r in range(readers)),
        reads=tuple(reads),
        model=tuple(answers) if model else (),
        model_identity={"id": "m", "weights_sha256": "0" * 64, "trained_on": "phantoms"} if model else None,
        expected={f"R{r}": len(CASES) * len(arms) for r in range(readers)},
    )


@pytest.fixture(scope="module")
def found():
    return report(study(), resamples=100).to_json()


def test_every_cell_stands_in_both_documents(found):
    html, markdown = to_html(found), to_markdown(found)
    tables = [*tables_of(found), checklist(found)]
    assert len(tables) == 16
    for cell in {cell for table in tables for row in table.rows for cell in row}:
        assert cell.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&#x27;") in html
        assert cell.replace("<", "&lt;") in markdown


def test_cells_are_the_reports_numbers(found):
    table = next(table for table in tables_of(found) if table.title.startswith("Comparisons"))
    want = found["aided_vs_unaided"]["top1"]
    assert table.rows[0][2] == f"{want['difference']:+.3f}"
    assert table.rows[0][3] == f"{want['ci'][0]:.3f} to {want['ci'][1]:.3f}"
    figures = figures_of(found)
    drawn = [value for trace in figures["forest"]["data"] for value in trace["x"]]
    wanted = []
    for arm, means in found["arms"].items():
        wanted += [row["accuracy"] for row in found["readers"] if row["arm"] == arm]
        wanted.append(means["top1"]["accuracy"])
    assert drawn == [*wanted, found["model"]["top1"]["accuracy"]]
    assert json.dumps(figures["forest"], ensure_ascii=False).replace("<", "\\u003c") in to_html(found)


def test_readers_whom_help_harmed_are_marked_by_more_than_colour(found):
    turned = copy.deepcopy(found)
    for row in turned["readers"]:
        if row["reader_id"] == "R1" and row["arm"] == "aided":
            row["accuracy"] = 0.0
    figures = figures_of(turned)
    marked = [trace["name"] for trace in figures["slope"]["data"] if trace["line"]["dash"] == "dash"]
    assert marked == ["R1 (worse with help)"]


def test_the_page_needs_no_network_and_runs_nothing_that_a_study_contains():
    html = to_html(report(study(name="<script>alert(1)</script>"), resamples=100).to_json())
    assert "<script>alert" not in html
    page = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r"(src|href)=", page)


@pytest.mark.parametrize(
    "table", [study(arms=("unaided",)), study(readers=1), study(model=False), study(readers=0, model=False)]
)
def test_what_cannot_be_estimated_leaves_no_gap_and_no_nan(table):
    found = report(table, resamples=100).to_json()
    for text in (to_html(found).rsplit("<script>", 2)[0], to_markdown(found)):
        assert not re.search(r"\bnan\b|None", text)


def test_the_model_and_the_missing_are_named(found):
    rows = dict((item, answer) for item, _, answer in checklist(found).rows if item != "DECIDE-AI")
    assert rows["CONSORT-AI 5 (i)"] == "m, weights 000000000000"
    assert rows["STARD 15"] == "72 of 72 readings are there."


def test_the_chinese_report_leaves_no_title_and_no_column_in_english(found):
    say = say_in("zh")
    for table in [*tables_of(found), checklist(found)]:
        for words in (table.title, *table.header):
            assert say(words) != words or not re.search(r"[a-z]{3}", words), words
    for name, figure in figures_of(found, say=say).items():
        title = figure["layout"]["title"]["text"]
        assert re.search(r"[\u4e00-\u9fff]", title), name
        for axis in ("xaxis", "yaxis"):
            told = figure["layout"][axis].get("title", {}).get("text", "")
            assert told in ("", "k") or re.search(r"[\u4e00-\u9fff]", told), (name, told)
    assert '<html lang="zh-CN">' in to_html(found, "zh")
