"""Attacks on the blinding of a running study, as a curious reader would try them."""

import re
import sqlite3
from io import BytesIO

import httpx
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from reader_study import accounts
from retizero import phantom
from retizero.data import crop_to_field, read_image
from retizero.knowledge import load_catalogue
from tests.webapp.conftest import PASSWORD, SECRETS, STUDY
from webapp.png import chunks_of


def everything_said(answer: httpx.Response) -> str:
    """Status line, headers and body, as whoever watches them sees them."""
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    return f"{answer.url}\n{headers}\n{answer.content.decode('utf-8', 'replace')}"


def test_nothing_a_reader_receives_names_file_folder_truth_or_model(blind, ana):
    case = blind.case(ana)
    said = [
        everything_said(ana.get(path))
        for path in (
            "/read/",
            "/read/config",
            "/read/case",
            f"/read/case?study={STUDY}",
            f"/image/{case['token']}",
            "/me",
            "/read/suggest?q=glauc",
            "/read/gradio_api/info",
            "/read/gradio_api/startup-events",
            "/health",
            "/metrics",
        )
    ]
    said.append(everything_said(blind.answer(ana, "x" * 43)))
    for text in said:
        for secret in (
            *SECRETS,
            "frozen-model",
            "0.8317",
            "established",
            "image_path",
            str(blind.server.data),
        ):
            assert secret not in text, f"{secret} in {text[:200]}"
    assert not re.search(r"C00\d", said[3]), "the case's code is not for readers"


def test_a_served_photograph_has_no_metadata_and_looks_like_every_other_from_outside(blind):
    seen = set()
    for username in ("ana", "ben", "cid"):
        with blind.sign_in(username) as client:
            answer = client.get(f"/image/{blind.case(client)['token']}")
        assert answer.status_code == 200
        assert [
            kind for kind, _ in chunks_of(answer.content) if kind not in (b"IHDR", b"IDAT", b"IEND")
        ] == []
        with Image.open(BytesIO(answer.content)) as picture:
            picture.load()
            assert picture.info == {}
            seen.add((len(answer.content), picture.size, tuple(sorted(set(answer.headers) - {"date"}))))
    assert len(seen) == 1, "canvas, size in bytes and headers are the same for all cases"


def test_a_photograph_is_served_pixel_for_pixel(blind, ana):
    with sqlite3.connect(f"file:{blind.server.data / 'retizero.db'}?mode=ro", uri=True) as database:
        paths = [
            row[0]
            for row in database.execute("select image_path from cases where image_path like '%SECRETNAME%'")
        ]
    served = read_image(ana.get(f"/image/{blind.case(ana)['token']}").content)

    def lies_in(square) -> bool:
        at = (served.shape[0] - square.shape[0]) // 2
        return bool((served[at : at + square.shape[0], at : at + square.shape[1]] == square).all())

    assert any(lies_in(crop_to_field(read_image(path))) for path in paths)


def test_tokens_tell_nothing_of_case_order_or_time(blind, ana):
    tokens = [blind.case(ana)["token"] for _ in range(5)]
    assert len(set(tokens)) == 5
    assert all(re.fullmatch(r"[\w-]{43}", token) for token in tokens), "256 random bits"
    with sqlite3.connect(f"file:{blind.server.data / 'retizero.db'}?mode=ro", uri=True) as database:
        orders = database.execute(
            "select reader_id, group_concat(case_id) from (select a.reader_id, a.case_id from assignments a "
            "join studies s on s.id = a.study_id where s.name = ? order by a.position) group by reader_id",
            (STUDY,),
        ).fetchall()
    assert len({order for _, order in orders}) > 1, "readers meet the cases in orders of their own"


def test_another_readers_token_gives_neither_image_nor_answer(blind, ana):
    token = blind.case(ana)["token"]
    with blind.sign_in("ben") as ben:
        before = blind.case(ben)["number"]
        assert ben.get(f"/image/{token}").status_code == 404
        assert blind.answer(ben, token).status_code in (409, 422)
        assert ben.post(f"/read/event/{token}/shown").status_code == 409
        assert blind.case(ben)["number"] == before
    assert httpx.get(f"{blind.server.url}/image/{token}").status_code == 401


@pytest.mark.parametrize(
    "extra",
    ["reader_id", "reader", "case_id", "case", "arm", "period", "user", "study", "shown_at", "seconds"],
)
def test_values_that_a_browser_may_not_say_are_refused(blind, ana, extra):
    case = blind.case(ana)
    assert blind.answer(ana, case["token"], **{extra: "1"}).status_code == 422
    assert blind.case(ana)["number"] == case["number"]


def test_identity_in_query_or_headers_is_not_believed(blind, ana):
    ben = blind.people["ben"]
    with blind.sign_in(
        "ana", **{"X-User": ben, "X-Remote-User": ben, "Remote-User": "ben", "X-Forwarded-User": "ben"}
    ) as c:
        assert c.get(f"/me?user={ben}&reader_id={ben}").json()["username"] == "ana"
        assert (
            c.get(f"/read/case?study={STUDY}&reader_id={ben}").json()["number"] == blind.case(ana)["number"]
        )


def test_a_reader_of_no_study_cannot_open_it_by_name(blind):
    accounts.create_user(blind.database, "dora", PASSWORD, role="reader")
    with blind.sign_in("dora") as dora:
        assert "token" not in blind.case(dora)


def test_the_public_demo_says_nothing_about_a_photograph_that_is_being_read(blind, ana, tmp_path):
    saved = tmp_path / "saved.png"
    saved.write_bytes(ana.get(f"/image/{blind.case(ana)['token']}").content)
    smaller = tmp_path / "screenshot.jpg"
    with Image.open(saved) as picture:
        picture.convert("RGB").resize((300, 300)).save(smaller, quality=70)
    client = Client(blind.server.url, verbose=False)
    for file in (saved, smaller):
        for answer in (
            client.predict(handle_file(file), "common15", 5, api_name="/classify"),
            client.predict(handle_file(file), 5, api_name="/search"),
        ):
            assert set(answer) == {"error"}
            assert "reader study" in answer["error"]
    other = tmp_path / "other.png"
    Image.fromarray(phantom.render("drusen", seed=4711)).save(other)
    assert "predictions" in client.predict(handle_file(other), "common15", 5, api_name="/classify")


def test_no_route_of_an_unaided_reader_shows_the_model(blind, ana):
    token = blind.case(ana)["token"]
    for path in (
        f"/read/aid/{token}",
        f"/read/aid/{token}/map/1",
        f"/read/aid/{token}/reference/1",
        f"/image/{token}/map",
    ):
        assert ana.get(path).status_code in (403, 404, 409)
        assert "frozen-model" not in ana.get(path).text


def test_suggestions_are_the_same_for_every_case(blind, ana):
    before = ana.get("/read/suggest?q=macul").json()
    blind.case(ana)
    assert ana.get("/read/suggest?q=macul").json() == before
    assert {s["id"] for s in before} <= {disease.id for disease in load_catalogue().diseases}
