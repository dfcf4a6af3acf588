"""What plain HTTP requests meet: doors, cookies, images, headers."""

import sqlite3
from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.running_server import RunningServer


@pytest.fixture
def anonymous(server: RunningServer):
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def signed_in(server: RunningServer, username: str) -> httpx.Client:
    client = httpx.Client(base_url=server.url, timeout=30)
    answer = client.post("/login", data={"username": username, "password": server.password(username)})
    assert answer.status_code == 303
    return client


CLOSED = [
    "/read", "/read/", "/read/config", "/read/gradio_api/info", "/read/gradio_api/api_info", "/read/case",
    "/read/suggest?q=dr",
    "/read/theme.css", "/read//config", "/read/%2e%2e/read/config", "/manage", "/manage/",
    "/manage/config", "/manage/results.csv?study=demo", "/manage/report.html?study=demo",
    "/manage/gradio_api/queue/data?session_hash=x",
    "/manage/gradio_api/file=app.py", "/manage/assets/index.js", "/image/anything",
]  # fmt: skip


@pytest.mark.parametrize("path", CLOSED)
def test_an_anonymous_visitor_gets_nothing_of_the_study(anonymous, path):
    answer = anonymous.get(path)
    assert answer.status_code in (303, 307, 401, 404), path
    assert len(answer.content) < 200
    as_browser = anonymous.get(path, headers={"Accept": "text/html"})
    assert as_browser.status_code in (303, 307, 401, 404)
    assert "gradio" not in as_browser.text.lower()


@pytest.mark.parametrize("area", ["read", "manage"])
def test_an_anonymous_post_is_refused(anonymous, area):
    for route in (
        "submit",
        "gradio_api/queue/join",
        "gradio_api/run/0",
        "gradio_api/upload",
        "gradio_api/call/x",
    ):
        assert anonymous.post(f"/{area}/{route}", json={"data": []}).status_code == 401


def test_a_reader_may_not_manage_and_a_manager_may_not_read(server):
    assert signed_in(server, "reader1").get("/manage/config").status_code == 401
    assert signed_in(server, "manager").get("/read/config").status_code == 401


def test_a_signed_out_session_is_over(server):
    client = signed_in(server, "reader1")
    token = client.cookies["retizero_session"]
    assert client.get("/read/case").status_code == 200
    client.post("/logout")
    again = httpx.get(server.url + "/read/case", cookies={"retizero_session": token})
    assert again.status_code == 401


def test_the_session_cookie_is_closed_to_scripts_and_other_sites(server):
    data = {"username": "reader1", "password": server.password("reader1")}
    cookie = httpx.post(server.url + "/login", data=data).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_login_never_forwards_to_another_site(server):
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example", "/read/\r\nX: y"):
        data = {"username": "reader1", "password": server.password("reader1"), "next": target}
        assert httpx.post(server.url + "/login", data=data).headers["location"] == "/read/"


def test_a_post_from_another_site_is_refused_even_with_the_cookie(server):
    client = signed_in(server, "reader1")
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert client.post("/read/submit", json={}, headers=headers).status_code == 403


def test_guessing_passwords_is_locked_out(server):
    with httpx.Client(base_url=server.url) as client:
        codes = [
            client.post("/login", data={"username": "nobody-here", "password": f"guess {i}"}).status_code
            for i in range(20)
        ]
    assert codes[0] == 401
    assert codes[-1] == 429


def test_a_study_image_is_a_png_without_metadata_for_its_reader_only(server):
    reader, other = signed_in(server, "reader1"), signed_in(server, "reader2")
    token = reader.get("/read/case").json()["token"]
    answer = reader.get(f"/image/{token}")
    assert answer.headers["content-type"] == "image/png"
    assert "no-store" in answer.headers["cache-control"]
    picture = Image.open(BytesIO(answer.content))
    assert picture.info == {}
    assert picture.width == picture.height
    assert other.get(f"/image/{token}").status_code == 404
    assert httpx.get(f"{server.url}/image/{token}").status_code == 401


def test_the_case_tells_nothing_but_its_place_in_the_order(server):
    case = signed_in(server, "reader1").get("/read/case").json()
    assert set(case) == {
        "page", "token", "study", "title", "number", "total", "position", "part", "practice", "aided", "k",
        "confidence_levels", "free_text", "synthetic", "differential_help", "findings", "seconds_left",
        "previous", "locked_before", "correcting",
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"confidence": 99}, {"confidence": "3"}, {"confidence": 2.5}, {"confidence": True}, {"ranks": []},
        {"ranks": ["drusen", "drusen"]}, {"ranks": ["drusen"] * 50}, {"ranks": ["x" * 100_000]},
        {"ranks": ["dru\u0000sen"]}, {"comment": "y" * 1_000_000}, {"reader": "someone"}, {"ranks": "drusen"},
    ],
)  # fmt: skip
def test_a_bad_answer_is_refused_in_words_and_the_case_stays(server, change):
    client = signed_in(server, "reader2")
    before = client.get("/read/case").json()
    body = {"token": before["token"], "ranks": ["drusen"], "confidence": 3, "comment": ""} | change
    answer = client.post("/read/submit", json=body)
    assert answer.status_code in (413, 422)
    assert answer.json()["problem"].endswith(".")
    assert client.get("/read/case").json()["number"] == before["number"]


def test_a_replayed_answer_never_answers_the_next_case(server):
    client = signed_in(server, "reader2")
    case = client.get("/read/case").json()
    body = {"token": case["token"], "ranks": ["drusen"], "confidence": 3, "comment": ""}
    for _ in range(3):
        assert client.post("/read/submit", json=body).json()["number"] == case["number"] + 1


def test_files_of_the_server_cannot_be_fetched_through_gradio(server, anonymous):
    secrets = [server.data / "retizero.db", server.data / "demo-accounts.txt", "app.py", "/etc/passwd"]
    for secret in secrets:
        for spelling in (f"file={secret}", f"file/{secret}", f"file=../{secret}", f"file=%2e%2e/{secret}"):
            answer = anonymous.get(f"/gradio_api/{spelling}")
            assert answer.status_code in (400, 403, 404), spelling


def test_health_names_the_model_and_the_database(anonymous):
    assert anonymous.get("/health").json() == {"status": "ok", "model": "retizero-mini", "database": "ready"}


def test_metrics_count_requests_without_names(anonymous):
    anonymous.get("/health")
    text = anonymous.get("/metrics").text
    assert 'retizero_requests_total{area="health",status="2xx"}' in text
    assert "reader1" not in text


def test_every_answer_carries_protective_headers(anonymous):
    for path in ("/", "/login", "/health", "/config"):
        headers = anonymous.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in headers["content-security-policy"]


def test_the_audit_chain_of_the_running_study_holds(server):
    with sqlite3.connect(f"file:{server.data / 'retizero.db'}?mode=ro", uri=True) as database:
        assert database.execute("select count(*) from audit").fetchone()[0] > 0


def test_a_manager_downloads_the_table_and_the_report_a_reader_does_not(server):
    manager = signed_in(server, "manager")
    table = manager.get("/manage/results.csv?study=demo")
    assert table.headers["content-type"].startswith("text/csv")
    assert "SIM-01" in table.text
    report = manager.get("/manage/report.html?study=demo", timeout=60)
    assert report.headers["content-disposition"] == 'attachment; filename="report.html"'
    assert "Simulated readers, left out of every number about readers" in report.text
    assert manager.get("/manage/report.html?study=none").status_code == 403
    assert signed_in(server, "reader1").get("/manage/report.html?study=demo").status_code in (401, 403)
