"""The dashboard over HTTP: what it shows are the report's numbers, and nothing that a state hides."""

import csv
import json
import re
from dataclasses import dataclass, replace
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from reader_study import results
from reader_study.accounts import User
from reader_study.analysis import report
from reader_study.analysis.cells import quality
from reader_study.documents.figures import SECTIONS
from reader_study.errors import DesignError, NotAllowed
from tests.bench.statistics import large_study
from webapp.language import Language
from webapp.pages import dashboard
from webapp.pages.managing import acting


@dataclass
class Stage:
    """A study as ``results`` would give it, and how often it was computed."""

    table: object
    closed: str = ""
    computed: int = 0


def install(monkeypatch, stage, language):
    """Put the study behind ``results`` and a manager before the pages."""
    facts = {"name": "bench", "title": "Bench", "state": "open"}
    status = SimpleNamespace(**facts)  # what the page reads of a StudyStatus

    def opened(*_):
        if stage.closed:
            raise NotAllowed(stage.closed)
        return 1

    def whole(*_, **__):
        opened()
        stage.computed += 1
        return report(stage.table, resamples=100)

    monkeypatch.setattr(results, "studies", lambda *_: (status,))
    monkeypatch.setattr(results, "results", whole)
    monkeypatch.setattr(results, "results_version", opened)
    monkeypatch.setattr(results, "data_quality", lambda *_: quality(stage.table))
    user = User("1", "M", "boss", "manager", "", True, False, False)
    monkeypatch.setattr(acting, "signed_in_user", lambda *_: user)
    monkeypatch.setattr(acting, "language_of", lambda *_: Language(language))
    rooms = type("R", (), {"database": None})()
    app = FastAPI()
    app.include_router(dashboard.routes(rooms))
    return app


@pytest.fixture
def stage():
    return Stage(large_study(np.random.default_rng(0), readers=6, cases=60))


@pytest.fixture
def client(monkeypatch, stage):
    return TestClient(install(monkeypatch, stage, "en"))


def figures(client, **asked):
    return json.loads(client.get("/manage/results/section", params=asked).json()["figures"])


def test_the_page_comes_with_its_first_figures_and_the_tables_beside_them(client):
    page = client.get("/manage/results/").text
    inline = json.loads(re.search(r'id="rz-figures">(.*?)</script>', page, re.DOTALL)[1])
    assert set(inline) == {"forest", "curve"}
    for name in inline:
        assert re.search(rf'id="figure-{name}" role="img" aria-label="[^"]+"', page)
        assert f'<details id="table-{name}">' in page
    for control in ("study", "metric", "site", "rarity", "disease"):
        assert f'<select name="{control}">' in page


def test_every_section_draws_the_numbers_of_the_report(client, stage):
    wanted = report(stage.table, resamples=100).to_json()
    drawn = figures(client, section="overview", metric="top3")["forest"]["data"]
    (trace,) = [trace for trace in drawn if trace["name"] == "aided"]
    rows = [r["accuracy"] for r in wanted["readers"] if (r["arm"], r["metric"]) == ("aided", "top3")]
    assert trace["x"][:-1] == rows
    assert trace["x"][-1] == wanted["arms"]["aided"]["top3"]["accuracy"]
    moves = figures(client, section="help")["moves"]["data"]
    assert {t["name"]: t["x"][0] for t in moves}["wrong to right"] == wanted["reclassification"]["top1"][
        "wrong_to_right"
    ]
    for section in SECTIONS:
        assert figures(client, section=section), section


def test_a_figures_table_has_its_numbers_and_no_others(client):
    figure = figures(client, section="overview")["forest"]
    text = client.get("/manage/results/table.csv", params={"figure": "forest"}).text
    rows = list(csv.reader(StringIO(text.removeprefix("\ufeff"))))
    assert rows[0] == ["item", "series", "value", "lower limit", "upper limit"]
    drawn = [f"{x:.3f}" for trace in figure["data"] for x in trace["x"]]
    assert [row[2] for row in rows[1:]] == drawn
    assert client.get("/manage/results/table.csv", params={"figure": "nothing"}).status_code == 404


def test_filters_choose_readers_and_cases_and_are_computed_once(client, stage):
    whole = figures(client, section="overview")["forest"]["data"][0]
    part = figures(client, section="overview", site="s1")["forest"]["data"][0]
    assert set(part["y"]) == {"r1", "r4", "mean of readers"}
    assert (
        dict(zip(part["y"], part["x"], strict=True))["r1"]
        == dict(zip(whole["y"], whole["x"], strict=True))["r1"]
    )
    disease = stage.table.cases[0].truths[0]
    figures(client, section="overview", disease=disease)
    assert stage.computed == 1
    assert figures(client, section="overview", site="nowhere", disease="no such") == {}


def test_before_unblinding_no_cell_of_a_disease_and_no_choice_of_one_is_told(monkeypatch, stage):
    stage.table = replace(stage.table, study={**stage.table.study, "state": "locked"})
    client = TestClient(install(monkeypatch, stage, "en"))
    assert '<select name="disease">' not in client.get("/manage/results/").text
    answer = client.get("/manage/results/section", params={"section": "diseases"}).json()
    assert {"reader_by_disease", "confusion"} & set(json.loads(answer["figures"])) == set()
    assert "Not shown before the study is unblinded" in answer["html"]
    for section in SECTIONS:
        shown = client.get("/manage/results/section", params={"section": section}).json()
        assert not re.search(r'"c\d+"', shown["figures"])  # no case is named, in hover data or elsewhere


def test_while_results_are_closed_progress_is_open_and_accuracy_is_not(monkeypatch, stage):
    stage.closed = "Results are closed until the study is locked."
    client = TestClient(install(monkeypatch, stage, "en"))
    page = client.get("/manage/results/").text
    assert "Results stay closed until the study is locked." in page
    assert json.loads(re.search(r'id="rz-figures">(.*?)</script>', page, re.DOTALL)[1]) == {}
    assert set(figures(client, section="progress")) == {"progress", "quality"}
    assert client.get("/manage/results/table.csv", params={"figure": "forest"}).status_code == 403
    assert client.get("/manage/report.html", params={"study": "bench"}).status_code == 403


def test_a_section_of_no_study_says_so_in_the_language_of_the_page(monkeypatch, stage):
    def none(_database, _viewer, name):
        raise DesignError(f"There is no study named {name!r}.")

    client = TestClient(install(monkeypatch, stage, "zh"))
    monkeypatch.setattr(results, "studies", lambda *_: ())
    monkeypatch.setattr(results, "results_version", none)
    answer = client.get("/manage/results/section")
    assert (answer.status_code, answer.json()["figures"]) == (200, "{}")
    assert "没有名为 &#x27;&#x27; 的研究。" in answer.json()["html"]


def test_the_chinese_page_has_chinese_figures_and_report(monkeypatch, stage):
    client = TestClient(install(monkeypatch, stage, "zh"))
    page = client.get("/manage/results/").text
    assert "各阅片者与模型的准确率" in page
    report_page = client.get("/manage/report.html", params={"study": "bench"}).text
    assert '<html lang="zh-CN">' in report_page
    assert "病例、阅片者与阅片流程" in report_page


def test_a_study_that_is_not_there_becomes_the_first_one_and_numbers_stay_numbers(client):
    page = client.get("/manage/results/", params={"study": "<script>", "metric": "top9", "section": "x"}).text
    assert "<script>x" not in page
    assert 'value="bench" selected' in page
