"""A whole study in the browser: made, read in two periods with a wash-out, locked, exported, re-scored."""

import csv
import re
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Page, expect

from reader_study import results
from reader_study.accounts import create_user
from reader_study.audit import SYSTEM
from reader_study.database import Database, utc_now
from reader_study.integrity import verify
from retizero import phantom
from tests.browser.rescore import top_k
from webapp.first_start import prepare
from webapp.server import build_server
from webapp.settings import Settings

pytestmark = pytest.mark.browser
CASES, PRACTICE, PASSWORD = 20, 1, "a long enough password"
READERS = {"ana": "oslo", "ben": "oslo", "chen": "lima"}


class MovedClock:
    """Real time, set forward by what a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@dataclass(frozen=True)
class Site:
    url: str
    database: Database
    clock: MovedClock

    @contextmanager
    def sign_in(self, username: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, timeout=120) as client:
            answer = client.post("/login", data={"username": username, "password": PASSWORD})
            assert answer.status_code == 303
            yield client


@pytest.fixture(scope="module")
def site(server, tmp_path_factory) -> Iterator[Site]:
    """The whole product in this process, with a clock that the test moves; no demo study."""
    data = tmp_path_factory.mktemp("whole-study")
    shutil.copytree(server.data / "gallery", data / "gallery")
    shutil.copytree(server.data / "examples", data / "examples")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clock = MovedClock()
    rooms = prepare(Settings(data=data, port=port, demo_study=False, _env_file=None), clock)
    running = uvicorn.Server(uvicorn.Config(build_server(rooms), port=port, log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started and thread.is_alive():
        time.sleep(0.05)  # waiting for a port to open
    create_user(rooms.database, "mira", PASSWORD, role="manager")
    yield Site(f"http://127.0.0.1:{port}", rooms.database, clock)
    running.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Twenty phantoms and one for practice, with their case list, as a manager has them."""
    folder = tmp_path_factory.mktemp("photographs")
    rows = []
    for number in range(CASES + PRACTICE):
        label = phantom.LABELS[number % len(phantom.LABELS)]
        Image.fromarray(phantom.render(label, seed=500 + number, size=256)).save(folder / f"{number}.png")
        rows.append((f"K{number:02}", f"{number}.png", label, int(number < 3), int(number >= CASES)))
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("case_id", "image", "truth", "rare", "practice"))
        writer.writerows(rows)
    with zipfile.ZipFile(folder / "cases.zip", "w") as packed:
        for file in folder.iterdir():
            if file.suffix in (".png", ".csv"):
                packed.write(file, file.name)
    return folder / "cases.zip"


def sign_in_here(page: Page, site: Site, username: str, to: str) -> None:
    page.context.clear_cookies()
    page.goto(site.url + to)
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def take_step(page: Page, site: Site, step: str, state: str) -> None:
    page.goto(f"{site.url}/manage/studies/whole")
    page.get_by_role("checkbox", name=re.compile("I am sure")).check()
    page.get_by_role("button", name=step, exact=True).click()
    expect(page.locator("#rz-status")).to_contain_text(state)


def read_by_http(site: Site, username: str) -> int:
    """Read everything that is open now, right on two cases of three; return how many cases that were."""
    read = 0
    with site.sign_in(username) as client:
        page = client.get("/read/case?study=whole").json()
        while page["page"] in ("case", "feedback"):
            if page["page"] == "feedback":
                page = page["next"]
                continue
            assert client.get(f"/image/{page['token']}").status_code == 200
            if page["aided"]:
                aid = client.get(f"/read/aid/{page['token']}").json()
                assert len(aid["entries"]) == 5
                assert client.get(f"/read/aid/{page['token']}/map/1").content.startswith(b"\x89PNG")
            else:
                assert client.get(f"/read/aid/{page['token']}").status_code == 404
            ranks = [phantom.LABELS[(read * 7 + len(username)) % len(phantom.LABELS)], "cataract-like haze"]
            body = {
                "token": page["token"],
                "ranks": [*ranks, "normal-fundus"][: 1 + read % 3],
                "confidence": 1 + read % 5,
            }
            answer = client.post("/read/submit", json=body)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            read += 1
        assert page["page"] == "message"
    return read


def test_a_crossover_study_goes_from_its_case_list_to_a_rescored_export(
    site, archive, page, screenshots, tmp_path
):
    # A manager creates it.
    sign_in_here(page, site, "mira", "/manage/")
    page.get_by_role("link", name="New study").click()
    page.locator("[name=title]").fill("Whole study")
    page.locator("[name=name]").fill("whole")
    page.locator("[name=design]").select_option("crossover")
    page.get_by_label("arm aided by the model").check()
    page.locator("[name=wash_out_days]").fill("28")
    page.locator("[name=label_set]").select_option("fundus42")
    page.locator("[name=consent]").fill("I take part of my own will.")
    page.locator("[name=photographs]").set_input_files(archive)
    page.screenshot(path=screenshots / "new-study-1280.png", full_page=True)
    page.get_by_role("button", name="Check and create").click()
    expect(page.locator(".rz-good")).to_contain_text(f"{CASES + PRACTICE} cases")

    # Readers join by one-time links.
    links = {}
    with site.sign_in("mira") as mira:
        for username, where in READERS.items():
            mira.post("/manage/accounts/site", data={"code": where, "name": where.title()})
            sent = {"role": "reader", "site": where, "study": "whole", "days": "14"}
            links[username] = re.search(
                r"/invite/[\w-]+", mira.post("/manage/accounts/invite", data=sent).text
            )[0]
    for username, link in links.items():
        if username == "ana":
            page.context.clear_cookies()
            page.goto(site.url + link)
            page.get_by_label("User name").fill(username)
            page.get_by_label("New password").fill(PASSWORD)
            page.get_by_label("The same again").fill(PASSWORD)
            page.get_by_role("button", name="Save and go to sign-in").click()
            expect(page).to_have_url(re.compile("/login"))
        else:
            sent = {"username": username, "password": PASSWORD, "again": PASSWORD}
            assert httpx.post(site.url + link, data=sent).status_code == 303
        assert httpx.get(site.url + link).status_code == 404, "a link works once"

    # The manager opens it: the model's answers are computed and frozen first.
    sign_in_here(page, site, "mira", "/manage/studies/whole")
    page.screenshot(path=screenshots / "draft-1280.png", full_page=True)
    page.get_by_role("checkbox", name=re.compile("I am sure")).check()
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator("#rz-status dd").first).to_have_text("open", timeout=240_000)
    assert results.study_status(site.database, SYSTEM, "whole").model["id"] == "retizero-mini"

    # One reader gives consent and profile and reads two cases by hand; everybody else by HTTP.
    sign_in_here(page, site, "ana", "/read/")
    page.get_by_role("checkbox").check()
    page.screenshot(path=screenshots / "consent-1280.png", full_page=True)
    page.get_by_role("button", name="Take part").click()
    page.get_by_label("Country").select_option("NO")
    page.get_by_label("Specialty").select_option("retina")
    page.get_by_label("Years of experience").fill("7")
    page.screenshot(path=screenshots / "profile-1280.png", full_page=True)
    page.get_by_role("button", name="Save and go on").click()
    read_practice_and_first_case(page, screenshots)
    for username in ("ben", "chen"):
        with site.sign_in(username) as client:
            asked = client.get("/read/case?study=whole").json()
            assert asked["page"] == "consent"
            client.post("/read/consent", json={"study": "whole", "sha256": asked["sha256"]})
            told = {"study": "whole", "country": "PE", "specialty": "glaucoma", "years": 3}
            assert client.post("/read/profile", json=told).json()["page"] == "case"

    # Period 1, the wash-out that nobody can jump, period 2.
    assert read_by_http(site, "ana") == CASES - 1
    assert [read_by_http(site, name) for name in ("ben", "chen")] == [CASES + PRACTICE] * 2
    site.clock.ahead += timedelta(days=27)
    assert [read_by_http(site, name) for name in READERS] == [0, 0, 0]
    site.clock.ahead += timedelta(days=2)
    sign_in_here(page, site, "chen", "/read/")
    expect(page.locator(".rz-part")).to_contain_text("Period 2 of 2")
    if page.locator(".rz-aid").count():
        expect(page.locator(".rz-model li")).to_have_count(5)
    page.screenshot(path=screenshots / "second-period-1280.png", full_page=True)
    assert [read_by_http(site, name) for name in READERS] == [CASES + PRACTICE] * 3

    # Locked, exported, unblinded, archived; the export says the same to a program of another kind.
    sign_in_here(page, site, "mira", "/manage/")
    take_step(page, site, "Lock", "locked")
    page.screenshot(path=screenshots / "locked-1280.png", full_page=True)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export (ZIP)").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        packed.extractall(tmp_path)
    report = results.results(site.database, SYSTEM, "whole")
    for metric, k in (("top1", 1), ("top3", 3), ("top5", 5)):
        again = top_k(tmp_path, k)
        for reader in report.readers:
            if reader.metric == metric:
                assert reader.accuracy.value == pytest.approx(again[reader.reader_id, reader.arm])
        assert report.model[metric].value == pytest.approx(again["model", ""])
    assert len({reader.reader_id for reader in report.readers}) == len(READERS)
    take_step(page, site, "Unblind", "unblinded")
    take_step(page, site, "Archive", "archived")
    assert verify(site.database).intact


def read_practice_and_first_case(page: Page, screenshots: Path) -> None:
    """Practice with feedback, then a case that counts; the aid is looked at where the arm shows it."""
    for practice in (True, False):
        expect(page.locator(".rz-stage img")).to_have_js_property("complete", True)
        if page.locator(".rz-aid").count():
            expect(page.locator(".rz-model li")).to_have_count(5)
            page.get_by_role("button", name=re.compile("Show on the photograph")).first.click()
            expect(page.locator(".rz-map")).to_have_js_property("complete", True)
            page.screenshot(path=screenshots / "aided-1280.png", full_page=True)
        box = page.get_by_role("combobox", name="Add a diagnosis")
        box.fill("drusen")
        page.get_by_role("option").first.wait_for()
        box.press("Enter")
        page.get_by_role("radio", name="4").check()
        page.get_by_role("button", name="Submit and go on").click()
        if practice:
            expect(page.locator(".rz-truth")).to_contain_text("Reference diagnosis")
            page.screenshot(path=screenshots / "feedback-1280.png", full_page=True)
            page.get_by_role("button", name="Go on").click()
    expect(page.locator(".rz-position")).to_have_text(re.compile(r"Case 3 of \d+"))
