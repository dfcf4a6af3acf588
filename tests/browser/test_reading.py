"""A clinician reads cases blind, leaves, comes back; a manager sees readers against the model."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
ANSWERS = ("normal", "CRVO", "glaucoma", "macular hole", "玻璃膜疣")


def sign_in(page: Page, server, username: str) -> None:
    page.goto(server.url + ("/read/" if username.startswith("reader") else "/manage/"))
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(server.password(username))
    page.get_by_role("button", name="Sign in").click()


def add_diagnosis(page: Page, text: str) -> None:
    box = page.get_by_role("combobox", name="Add a diagnosis")
    box.fill(text)
    page.get_by_role("option").first.wait_for()
    box.press("Enter")


def place(page: Page) -> int:
    """The number of the case that is shown; other tests may have answered some before."""
    expect(page.locator(".rz-position")).to_have_text(re.compile(r"Case \d+ of \d+"))
    return int(page.locator(".rz-position").inner_text().split()[1])


def read_one(page: Page, number: int) -> None:
    expect(page.locator(".rz-position")).to_have_text(re.compile(rf"Case {number} of \d+"))
    expect(page.locator(".rz-stage img")).to_have_js_property("complete", True)
    assert page.evaluate("document.querySelector('.rz-stage img').naturalWidth") > 200
    add_diagnosis(page, ANSWERS[number % len(ANSWERS)])
    add_diagnosis(page, "epiretinal")
    page.get_by_role("radio", name="3").check()
    page.get_by_role("button", name="Submit and go on").click()


def test_a_reader_reads_five_cases_with_a_reload_in_the_middle(page, server, screenshots):
    sign_in(page, server, "reader1")
    first = place(page)
    for number in range(first, first + 3):
        read_one(page, number)
    expect(page.locator(".rz-position")).to_have_text(re.compile(f"Case {first + 3} of"))
    add_diagnosis(page, "glaucoma")
    page.screenshot(path=screenshots / "reading-1280.png", full_page=True)
    page.reload()
    expect(page.locator(".rz-differential ol li")).to_have_count(0)
    for number in (first + 3, first + 4):
        read_one(page, number)
    expect(page.locator(".rz-position")).to_have_text(re.compile(f"Case {first + 5} of"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.querySelector('.rz-stage img').naturalWidth > 200")
    page.wait_for_function("document.querySelector('.rz-stage img').getBoundingClientRect().width <= 390")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=screenshots / "reading-390.png", full_page=True)
    assert not re.search(r"\.(png|jpe?g|tiff?|dcm)\b", page.locator("#rz-desk").inner_html())
    page.get_by_role("button", name="Sign out").click()
    page.goto(server.url + "/read/")
    expect(page).to_have_url(re.compile("/login"))


def test_a_double_click_and_an_incomplete_answer_cost_nothing(page, server):
    sign_in(page, server, "reader2")
    first = place(page)
    page.get_by_role("button", name="Submit and go on").click()
    expect(page.locator(".rz-status")).to_have_text("Give at least one diagnosis.")
    add_diagnosis(page, "drusen")
    page.get_by_role("button", name="Submit and go on").click()
    expect(page.locator(".rz-status")).to_have_text("Say how sure you are.")
    page.get_by_role("radio", name="2").check()
    page.get_by_role("button", name="Submit and go on").dblclick()
    expect(page.locator(".rz-position")).to_have_text(re.compile(f"Case {first + 1} of"))
    expect(page.locator(".rz-differential ol li")).to_have_count(0)


def test_ranks_are_changed_by_keyboard(page, server):
    sign_in(page, server, "reader2")
    add_diagnosis(page, "drusen")
    add_diagnosis(page, "glaucoma")
    page.get_by_role("button", name=re.compile("Move Glaucoma.* up")).press("Enter")
    expect(page.locator(".rz-differential ol li span").first).to_have_text(re.compile("^Glaucoma"))
    page.get_by_role("button", name=re.compile("Remove Glaucoma")).press("Enter")
    expect(page.locator(".rz-differential ol li")).to_have_count(1)


DRAWN = """id => {
  const plot = document.getElementById(id), axis = plot._fullLayout.xaxis, found = [];
  for (const [number, trace] of plot.data.entries()) {
    const uid = plot._fullData[number].uid;
    plot.querySelectorAll(`.trace${uid} .point`).forEach((point, place) => {
      const at = point.transform.baseVal.consolidate().matrix.e;
      found.push([axis.p2d(at), trace.x[place]]);
    });
  }
  return found;
}"""


def test_a_manager_sees_readers_against_the_model(page, server, screenshots):
    sign_in(page, server, "manager")
    page.get_by_role("link", name="Demo study").click()
    expect(page.locator("#rz-status")).to_contain_text("synthetic study")
    page.screenshot(path=screenshots / "study-1280.png", full_page=True)
    page.get_by_role("link", name="Readers against the model").click()
    expect(page.locator("#figure-forest.js-plotly-plot")).to_be_visible()
    expect(page.locator("#figure-curve.js-plotly-plot")).to_be_visible()
    drawn = page.evaluate(DRAWN, "figure-forest")
    assert len(drawn) > 6  # simulated readers and the model
    assert [at for at, _ in drawn] == pytest.approx([value for _, value in drawn], abs=0.002)
    accuracy = page.get_by_role("region", name="Accuracy", exact=True)
    expect(accuracy.locator("tbody tr").filter(has_text="Model").first).to_contain_text("Top-1")
    expect(accuracy.locator("tbody tr").filter(has_text="simulated").first).to_be_visible()
    page.screenshot(path=screenshots / "dashboard-1280.png", full_page=True)
    page.get_by_label("Accuracy at").select_option("top5")
    expect(accuracy.locator("tbody tr").first).to_contain_text("Top-5")
    for kind in ("SVG", "PNG"):
        with page.expect_download() as download:
            page.locator("#panel-forest").get_by_role("button", name=kind).click()
        assert download.value.suggested_filename == f"forest.{kind.lower()}"
    with page.expect_download() as download:
        page.locator("#panel-forest").get_by_role("link", name="CSV").click()
    assert download.value.path().read_text(encoding="utf-8-sig").startswith("item,")
    page.get_by_role("link", name="Progress and data quality").press("Enter")
    expect(page.locator("#figure-progress.js-plotly-plot")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=screenshots / "dashboard-390.png", full_page=True)


def test_the_login_page_says_what_is_wrong(page, server, screenshots):
    page.goto(server.url + "/login")
    page.get_by_label("User name").fill("reader1")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("User name or password is wrong.")
    page.screenshot(path=screenshots / "login-1280.png", full_page=True)
