"""Attacks on the answers of a running study: impossible, doubled, forged elsewhere, harmful when shown."""

import csv
import json
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from reader_study.adjudication import assign_adjudicator
from reader_study.exchange import export_study
from tests.webapp.conftest import STUDY


def test_double_clicks_parallel_and_replayed_submits_answer_one_case_once(blind):
    with blind.sign_in("cid") as cid:
        case = blind.case(cid)
        start = threading.Barrier(8)

        def send(_: int) -> httpx.Response:
            start.wait()
            return blind.answer(cid, case["token"])

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(8)))
        assert [a.status_code for a in answers] == [200] * 8
        for _ in range(3):  # a replay, later
            assert blind.answer(cid, case["token"], ranks=["cataract"]).status_code == 200
        assert blind.case(cid)["number"] == case["number"] + 1
    with sqlite3.connect(f"file:{blind.server.data / 'retizero.db'}?mode=ro", uri=True) as database:
        stored = database.execute(
            "select count(*), count(distinct case_id) from readings where reader_id = ?",
            (blind.people["cid"],),
        ).fetchone()
    assert stored[0] == stored[1] == case["number"]


BAD = [
    {"confidence": 99},
    {"confidence": 0},
    {"confidence": -1},
    {"confidence": "3"},
    {"confidence": 3.5},
    {"confidence": True},
    {"confidence": None},
    {"ranks": []},
    {"ranks": None},
    {"ranks": [None]},
    {"ranks": [3]},
    {"ranks": ["drusen", "drusen"]},
    {"ranks": ["drusen", "DRUSEN"]},
    {"ranks": ["glaucoma"] * 6},
    {"ranks": [str(n) for n in range(6)]},
    {"ranks": ["ungradable", "drusen"]},
    {"ranks": ["x" * 201]},
    {"ranks": ["y" * 1_000_000]},
    {"comment": "z" * 1_000_000},
    {"comment": "z" * 2001},
    {"ranks": ["dru\u0000sen"]},
    {"comment": "a\u0000b"},
    {"ranks": ["\u202edrusen"]},
    {"ranks": [""]},
    {"ranks": ["   "]},
    {"token": 5},
    {"token": ""},
    {"token": "../../x"},
]


@pytest.mark.parametrize("change", BAD, ids=lambda change: json.dumps(change)[:40])
def test_an_impossible_answer_is_refused_in_a_sentence_and_stores_nothing(blind, ana, change):
    case = blind.case(ana)
    answer = blind.answer(ana, case["token"], **change)
    assert answer.status_code in (413, 422)
    assert re.fullmatch(r"[^\n]{5,300}[.!]", answer.json()["problem"])
    assert blind.case(ana)["number"] == case["number"]


@pytest.mark.parametrize(
    "raw", [b'{"confidence": NaN}', b"{", b"[]", b"", b"\xff\xfe", b'{"ranks":' + b"[" * 30_000]
)
def test_broken_json_is_refused_without_a_traceback(blind, ana, raw):
    answer = ana.post("/read/submit", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "Traceback" not in answer.text
    assert ana.get("/health").status_code == 200


def test_a_body_that_hides_its_length_is_not_swallowed_whole(blind, ana):
    def endless():
        yield b'{"comment": "'
        for _ in range(100):
            yield b"x" * 1000

    assert ana.post("/read/submit", content=endless()).status_code == 413


def test_posts_from_another_site_are_refused_even_with_the_cookie(blind, ana):
    case = blind.case(ana)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": blind.server.url.replace("http", "https") + ".evil.example"},
    ):
        body = {"token": case["token"], "ranks": ["drusen"], "confidence": 3}
        assert ana.post("/read/submit", json=body, headers=headers).status_code == 403
        assert ana.post("/logout", headers=headers).status_code == 403
    with blind.sign_in("mira") as mira:
        there = f"/manage/studies/{STUDY}/lock"
        assert (
            mira.post(there, data={"sure": "1"}, headers={"Origin": "https://evil.example"}).status_code
            == 403
        )
    assert blind.case(ana)["number"] == case["number"]


def test_a_forwarded_host_of_an_attacker_does_not_make_his_origin_ours(blind, ana):
    headers = {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"}
    assert ana.post("/read/submit", json={}, headers=headers).status_code == 403


def test_script_in_free_text_is_text_wherever_a_manager_sees_it(blind):
    script = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    with blind.sign_in("eve") as eve:
        case = blind.case(eve)
        comment = "=cmd|' /C calc'!A0 " + script + " 👁️ \u4e2d\u6587"
        assert blind.answer(eve, case["token"], ranks=[script], comment=comment).status_code == 200
    assign_adjudicator(blind.database, STUDY, "mira")
    with blind.sign_in("mira") as mira:
        for path in ("/manage/", f"/manage/studies/{STUDY}", f"/manage/studies/{STUDY}/adjudication"):
            text = mira.get(path).text
            assert "<script>alert" not in text
            assert "<img src=x" not in text
    assert "&lt;script&gt;alert" in text, "the adjudicator reads it as text"


def test_formulas_in_exports_are_text(blind, tmp_path):
    formula = '=HYPERLINK("http://evil.example","x")'
    with blind.sign_in("eve") as eve:
        assert blind.answer(eve, blind.case(eve)["token"], ranks=[formula]).status_code == 200
    for file in export_study(blind.database, STUDY, tmp_path):
        if file.suffix == ".csv":
            with file.open(encoding="utf-8-sig", newline="") as table:
                cells = [cell for row in csv.reader(table) for cell in row]
            assert [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))] == [], file.name
