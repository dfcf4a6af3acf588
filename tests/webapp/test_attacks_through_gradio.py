"""Attacks through Gradio's routes on a running study: files, private functions, sessions, configurations."""

import httpx
import pytest

from tests.webapp.conftest import SECRETS, STUDY

FILES = ("retizero.db", "retizero.db-wal", "retizero.db-shm", "demo-accounts.txt", "server.log", "prepared")
SPELLINGS = (
    "file={}",
    "file/{}",
    "file=../{}",
    "file=%2e%2e/{}",
    "file=./{}",
    "file=//{}",
    "file=%2f{}",
    "file={}%00.png",
    "file=file://{}",
    "file=..%2f..%2f{}",
    "file=C:{}",
    "file={}/",
    "file={}?x=.png",
    "FILE={}",
)


@pytest.mark.parametrize("area", ["", "/read", "/manage/results"])
def test_no_spelling_of_a_path_fetches_a_file_of_the_server(blind, area):
    here = blind.server.data
    wanted = [str(here / name) for name in FILES] + ["app.py", ".env", "/etc/passwd", "/proc/self/environ"]
    if area:
        wanted = wanted[:2] + wanted[-1:]
    with blind.sign_in("mira" if area.startswith("/manage") else "ana") as client:
        for target in wanted:
            for spelling in SPELLINGS:
                for prefix in ("/gradio_api/", "/"):
                    answer = client.get(f"{area}{prefix}{spelling.format(target)}")
                    assert answer.status_code in (307, 400, 403, 404, 405), (
                        spelling,
                        target,
                        answer.status_code,
                    )
                    assert b"SQLite format" not in answer.content
                    assert b"root:" not in answer.content


@pytest.mark.parametrize(
    "path",
    [
        "upload",
        "file=x",
        "file/x",
        "proxy=http://127.0.0.1/",
        "run/0",
        "run/predict",
        "call/ways",
        "call/v2/ways",
        "api/predict",
        "stream/x",
        "component_server",
        "vibe-code",
        "process_recording",
        "deep_link",
        "openapi.json",
        "upload_progress?upload_id=x",
    ],
)
@pytest.mark.parametrize("area", ["/read", "/manage/results"])
def test_gradio_routes_that_no_page_needs_are_not_there(blind, area, path):
    with blind.sign_in("mira" if area.startswith("/manage") else "ana") as client:
        assert client.get(f"{area}/gradio_api/{path}").status_code == 404
        files = {"files": ("x.png", b"x" * 1000)}
        assert client.post(f"{area}/gradio_api/{path}", files=files).status_code == 404


@pytest.mark.parametrize(
    "path", ["/monitoring", "/monitoring/summary", "/run-history/records", "/runs", "/user", "/token"]
)
def test_gradio_watching_routes_are_closed_everywhere(blind, path):
    with blind.sign_in("mira") as client:
        for area in ("", "/manage/results"):
            assert client.get(area + path).status_code == 404


def test_private_functions_cannot_be_joined_by_index_from_another_area(blind):
    with blind.sign_in("ana") as reader, httpx.Client(base_url=blind.server.url) as nobody:
        for index in range(12):
            body = {"data": [STUDY, "top1"], "fn_index": index, "session_hash": "abcdefgh"}
            for client in (reader, nobody):
                assert client.post("/manage/results/gradio_api/queue/join", json=body).status_code == 401
                for way in ("run", "call", "api"):
                    assert (
                        client.post(f"/manage/results/gradio_api/{way}/{index}", json=body).status_code == 401
                    )


def test_another_users_gradio_session_cannot_be_joined_or_heard(blind):
    body = {"data": [], "fn_index": 0, "session_hash": "anassession"}
    with blind.sign_in("ana") as ana, blind.sign_in("ben") as ben:
        assert ana.post("/read/gradio_api/queue/join", json=body).status_code != 404
        assert ben.post("/read/gradio_api/queue/join", json=body).status_code == 404
        assert ben.get("/read/gradio_api/queue/data?session_hash=anassession").status_code == 404
        assert ben.get("/read/gradio_api/heartbeat/anassession").status_code == 404


def test_pages_and_configurations_hold_no_study_before_or_after_login(blind):
    with (
        httpx.Client(base_url=blind.server.url) as nobody,
        blind.sign_in("mira") as mira,
        blind.sign_in("ana") as ana,
    ):
        public = nobody.get("/").text + nobody.get("/config").text + nobody.get("/gradio_api/info").text
        closed = [ana.get("/read/").text + ana.get("/read/config").text]
        managers = mira.get("/manage/results/").text
    for text in (public, *closed):
        for secret in (*SECRETS, STUDY, "frozen-model", "demo-study", *blind.people.values()):
            assert f'"{secret}"' not in text
        assert "A blind study" not in text
    # a manager's page names the study, and nothing that stands in its photographs or in the model's answers
    assert not [secret for secret in (*SECRETS, "frozen-model", *blind.people.values()) if secret in managers]
    assert set(httpx.get(blind.server.url + "/gradio_api/info").json()["named_endpoints"]) == {
        "/classify",
        "/search",
    }


def test_results_are_closed_to_coordinators_and_before_the_lock(blind):
    with blind.sign_in("cora") as cora, blind.sign_in("mira") as mira:
        assert cora.get("/manage/results/").status_code == 401
        assert cora.get(f"/manage/report.html?study={STUDY}").status_code in (401, 403)
        for file in ("report.html", "results.csv"):
            answer = mira.get(f"/manage/{file}?study={STUDY}")
            assert answer.status_code == 403
        own = cora.get(f"/manage/studies/{STUDY}").text
        assert "oslo" in own
        assert "lima" not in own
