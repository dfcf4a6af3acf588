"""What managers do in the browser, by plain HTTP: create, invite, step, verify, copy; and who may not."""

import io
import re
import sqlite3
import time
import zipfile

import httpx
import pytest
from PIL import Image

from reader_study.errors import DesignError
from retizero import phantom
from tests.webapp.conftest import PASSWORD, STUDY
from webapp import forms
from webapp.pages.managing.create import unpack
from webapp.pages.managing.protocol_form import protocol_values

PROTOCOL = {
    "title": "From a form",
    "design": "single",
    "unaided": "1",
    "label_set": "broad52",
    "free_text": "1",
}


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    made = {}
    for number, label in enumerate(("drusen", "glaucoma")):
        out = io.BytesIO()
        Image.fromarray(phantom.render(label, seed=40 + number, size=200)).save(out, "PNG")
        made[f"{number}.png"] = out.getvalue()
    return made


def create(client: httpx.Client, name: str, files: dict[str, bytes]) -> httpx.Response:
    sent = {"photographs": ("cases.zip", zipped(files), "application/zip")}
    return client.post("/manage/new", data={**PROTOCOL, "name": name}, files=sent)


def test_a_study_comes_from_a_zip_and_doubtful_photographs_are_told(blind, pictures):
    table = b"case_id,image,truth\nA,0.png,drusen\nB,1.png,glaucoma\nC,again/0.png,drusen\n"
    with blind.sign_in("mira") as mira:
        answer = create(mira, "zipped", {**pictures, "again/0.png": pictures["0.png"], "cases.csv": table})
        assert answer.status_code == 200
        assert "3 cases" in answer.text
        assert "case C: the same file as case A." in answer.text
        assert "draft" in mira.get("/manage/studies/zipped").text


def test_every_bad_row_is_named_and_nothing_is_stored(blind, pictures):
    bad = b"B,lost.png,glaucoma\nC,1.png,no such disease\nA,1.png,glaucoma\n"
    table = b"case_id,image,truth\nA,0.png,drusen\n" + bad
    with blind.sign_in("mira") as mira:
        answer = create(mira, "rows", {**pictures, "cases.csv": table})
        assert answer.status_code == 422
        assert [int(n) for n in re.findall(r"<li>row (\d)", answer.text)] == [3, 4, 5]
        assert 'value="From a form"' in answer.text, "what was typed is still there"
        assert mira.get("/manage/studies/rows").status_code == 404


def test_without_a_list_folders_name_the_diagnosis(blind, pictures):
    with blind.sign_in("mira") as mira:
        answer = create(
            mira, "folders", {"drusen/a.png": pictures["0.png"], "glaucoma/b.png": pictures["1.png"]}
        )
    assert "2 cases" in answer.text


def test_how_far_many_photographs_are_is_shown_to_who_sent_them(blind, pictures):
    out, files, rows = io.BytesIO(), {}, ["case_id,image,truth"]
    Image.open(io.BytesIO(pictures["0.png"])).resize((1600, 1600)).save(out, "JPEG")
    for number in range(100):  # more than can be looked at before the answer is due
        files[f"{number}.jpg"] = out.getvalue() + bytes([number])
        rows.append(f"N{number},{number}.jpg,drusen")
    with blind.sign_in("mira") as mira, blind.sign_in("stan") as stan:
        answer = create(mira, "many", {**files, "cases.csv": "\n".join(rows).encode()})
        assert answer.status_code == 303
        page = mira.get(answer.headers["Location"])
        assert page.headers["Refresh"]
        assert " of 100" in page.text
        assert stan.get(answer.headers["Location"]).status_code == 401
        while "Refresh" in page.headers:
            time.sleep(0.5)
            page = mira.get(answer.headers["Location"])
        assert "100 cases" in page.text
        assert "case N1: nearly the same picture as case N0." in page.text
        assert "draft" in mira.get("/manage/studies/many").text


@pytest.mark.parametrize("name", ["../outside.png", "/etc/outside.png", "a/../../outside.png"])
def test_an_archive_cannot_write_outside_its_folder(name, tmp_path):
    from starlette.datastructures import UploadFile

    folder = tmp_path / "study"
    folder.mkdir()
    with pytest.raises(DesignError, match="outside"):
        unpack(UploadFile(io.BytesIO(zipped({name: b"x"}))), folder)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_is_no_archive_is_told_in_a_sentence(blind):
    with blind.sign_in("mira") as mira:
        sent = {"photographs": ("x.zip", b"not a zip", "application/zip")}
        answer = mira.post("/manage/new", data={**PROTOCOL, "name": "nozip"}, files=sent)
    assert answer.status_code == 422
    assert "no ZIP file" in answer.text


def test_others_than_managers_cannot_create_step_or_invite(blind):
    with blind.sign_in("cora") as cora, blind.sign_in("stan") as stan:
        for client in (cora, stan):
            assert client.get("/manage/new").status_code == 401
            assert client.post("/manage/new", data=PROTOCOL).status_code == 401
            assert client.post("/manage/accounts/invite", data={"role": "admin"}).status_code == 401
            assert client.post(f"/manage/studies/{STUDY}/lock", data={"sure": "1"}).status_code == 403


def test_a_step_needs_its_tick_and_goes_forward_only(blind):
    with blind.sign_in("mira") as mira:
        assert mira.post(f"/manage/studies/{STUDY}/lock").status_code == 422
        assert mira.post(f"/manage/studies/{STUDY}/unblind", data={"sure": "1"}).status_code == 422
        assert mira.post(f"/manage/studies/{STUDY}/draft", data={"sure": "1"}).status_code == 404
        assert "open" in mira.get(f"/manage/studies/{STUDY}").text


def test_a_link_makes_one_account_once_and_a_manager_cannot_make_managers(blind):
    with blind.sign_in("mira") as mira:
        made = mira.post("/manage/accounts/invite", data={"role": "reader", "site": "oslo", "study": STUDY})
        link = re.search(r"/invite/[\w-]+", made.text)[0]
        assert mira.post("/manage/accounts/invite", data={"role": "manager"}).status_code == 403
    sent = {"username": "newcomer", "password": PASSWORD, "again": PASSWORD}
    assert "A blind study" in httpx.get(blind.server.url + link).text
    assert httpx.post(blind.server.url + link, data={**sent, "again": "other"}).status_code == 422
    assert httpx.post(blind.server.url + link, data=sent).status_code == 303
    assert httpx.post(blind.server.url + link, data={**sent, "username": "second"}).status_code in (404, 422)
    with blind.sign_in("newcomer") as client:
        assert blind.case(client)["page"] == "case"


def test_records_are_verified_and_copied(blind, tmp_path):
    with blind.sign_in("mira") as mira, blind.sign_in("stan") as stan:
        assert "intact" in mira.post("/manage/records/verify").text
        copy = tmp_path / "copy.db"
        copy.write_bytes(mira.post("/manage/records/backup").content)
        assert stan.post("/manage/records/backup").status_code == 403
    with sqlite3.connect(copy) as database:
        assert database.execute("select count(*) from audit").fetchone()[0] > 0
    assert list(blind.server.data.glob("backup-*")) == []


def test_a_form_becomes_the_keys_of_a_protocol():
    given = {"name": " s ", "k": "3", "seed": "x", "unaided": "1", "aided": "1", "by_rare": "1", "blocks": ""}
    assert protocol_values(given) == {
        "name": "s", "k": 3, "seed": "x", "arms": ["unaided", "aided"], "stratify_by": ["rare"],
        "free_text": False, "corrections": False, "findings": False, "profile": False, "synthetic": False,
    }  # fmt: skip


def test_forms_escape_what_was_typed():
    typed = '"><script>'
    for made in (
        forms.text("n", typed, value=typed),
        forms.area("n", typed, value=typed),
        forms.tick("n", typed),
    ):
        assert "<script>" not in made
