"""A visitor teaches the demo with a few photographs, sees it change, downloads the classifier, leaves."""

import json
import os
import re
import tempfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from retizero import phantom
from webapp.upload_folder import PREFIX

pytestmark = pytest.mark.browser
OWN = os.getpid()
"""In the names of our files: other servers of this machine have uploads too."""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Six phantoms of two diagnoses, and one more to ask about."""
    folder = tmp_path_factory.mktemp("few-shot")

    def draw(label, seed):
        path = folder / f"{label}-{seed}-{OWN}.png"
        Image.fromarray(phantom.render(label, seed, size=256)).save(path)
        return str(path)

    return {label: [draw(label, seed) for seed in (1, 2, 3)] for label in ("drusen", "macular-hole")} | {
        "asked": draw("macular-hole", 9)
    }


def name_it(page, name):
    """Type at the speed of a person, then Enter."""
    box = page.locator("#rz-teach-name input")
    box.fill("")
    box.focus()
    page.keyboard.type(name, delay=40)
    page.keyboard.press("Enter")
    expect(box).not_to_be_focused()


def choose(page, files):
    page.locator("#rz-teach-files input[type=file]").set_input_files(files)
    expect(page.locator("#rz-teach-files")).to_contain_text(re.search(r"[^/]+$", files[-1])[0][:4])


def teach(page, name, files):
    name_it(page, name)
    choose(page, files)
    page.locator("#rz-teach-add").click()


def uploaded(label):
    """Seeds of our photographs of a label that lie on the server's disk."""
    found = Path(tempfile.gettempdir()).glob(f"{PREFIX}*/**/{label}-*-{OWN}.png")
    return sorted(path.stem.split("-")[-2] for path in found)


def eventually(condition, page):
    for _ in range(150):
        if condition():
            return True
        page.wait_for_timeout(100)  # a file's end is no event of the page
    return False


def test_a_few_photographs_make_a_classifier_that_can_be_downloaded(
    page, server, photographs, screenshots, tmp_path
):
    page.goto(server.url)
    page.locator("#rz-upload input[type=file]").set_input_files(photographs["asked"])
    page.get_by_role("tab", name="Teach it").click()
    page.locator("#rz-teach-add").click()
    expect(page.locator("#rz-teach-said [role=alert]")).to_contain_text("Name the diagnosis first")
    teach(page, "Drusen", photographs["drusen"])
    expect(page.locator("#rz-teach-said")).to_contain_text("3 added to Drusen")
    expect(page.locator("#rz-teach-verdict")).to_contain_text("second diagnosis")
    teach(page, "our macular holes", photographs["macular-hole"])
    expect(page.locator("#rz-teach-said")).to_contain_text("is not in the catalogue")
    expect(page.locator("#rz-taught img")).to_have_count(6)
    expect(page.locator("#rz-taught img").first).to_have_attribute("alt", "Drusen, photograph 1")
    rows = page.locator("#rz-teach-table tbody tr")
    expect(rows).to_have_count(2)
    expect(page.locator("#rz-teach-verdict")).to_contain_text("of 6 right")
    expect(page.locator("#rz-teach-figure .js-plotly-plot")).to_be_visible()
    page.screenshot(path=screenshots / "few-shot-1280.png", full_page=True)
    with page.expect_download() as waiting:
        page.locator("#rz-teach-download").click()
    waiting.value.save_as(tmp_path / "classifier.json")
    stored = json.loads((tmp_path / "classifier.json").read_text())
    assert [each["examples"] for each in stored["classes"]] == [3, 3]
    assert eventually(lambda: not uploaded("drusen"), page)
    page.reload()
    page.get_by_role("tab", name="Teach it").click()
    expect(page.locator("#rz-taught")).to_contain_text("Nothing yet")


def test_teaching_works_on_a_phone_and_in_chinese(browser, server, photographs, screenshots):
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN", is_mobile=True)
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("tab", name=re.compile("少样本教学")).click()
    teach(page, "青光眼", photographs["drusen"][:1])
    expect(page.locator("#rz-teach-said")).to_contain_text("加入")
    teach(page, "黄斑裂孔", photographs["macular-hole"][:1])
    expect(page.locator("#rz-taught tbody tr")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=screenshots / "few-shot-390-zh.png", full_page=True)
    page.locator("#rz-teach-forget").click()
    expect(page.locator("#rz-taught")).to_contain_text("尚无内容")
    context.close()


def test_a_name_typed_in_full_is_that_diagnosis_and_not_a_longer_one(page, server, photographs):
    page.goto(server.url)
    page.get_by_role("tab", name="Teach it").click()
    box = page.locator("#rz-teach-name input")
    for typed, shown in (
        ("glaucoma", r"^Glaucoma\b"),
        ("Macular hole", r"^Macular hole\b"),
        ("DRUSEN", r"^Drusen\b"),
        ("RD", r"^RD$"),
    ):
        name_it(page, typed)
        expect(box).to_have_value(re.compile(shown))
    choose(page, photographs["drusen"][:1])
    page.locator("#rz-teach-add").click()
    expect(page.locator("#rz-teach-said")).to_contain_text("1 added to retinal detachment", ignore_case=True)
    box.focus()
    box.fill("")
    page.keyboard.type("drusen", delay=40)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box).to_have_value(re.compile(r"^(?!Drusen).*drusen"))


def test_files_stay_chosen_until_they_can_be_added_and_end_with_the_page(context, server, photographs):
    page, watcher = context.new_page(), context.new_page()
    page.goto(server.url)
    page.get_by_role("tab", name="Teach it").click()

    choose(page, photographs["drusen"][:2])
    assert eventually(lambda: uploaded("drusen") == ["1", "2"], page)
    page.locator("#rz-teach-add").click()
    expect(page.locator("#rz-teach-said [role=alert]")).to_contain_text("Name the diagnosis first")
    expect(page.locator("#rz-teach-files")).to_contain_text("drusen-2")
    page.locator("#rz-teach-files button[aria-label*=emove]").first.click()
    assert eventually(lambda: uploaded("drusen") == ["2"], page)
    page.close()
    assert eventually(lambda: not uploaded("drusen"), watcher)
