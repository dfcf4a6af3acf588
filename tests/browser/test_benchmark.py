"""A manager measures the model on a manifest in the browser, in both languages."""

import re

import pytest
from playwright.sync_api import Page, expect

from retizero.data import read_manifest
from tests.browser.test_reading import sign_in

pytestmark = pytest.mark.browser


def test_a_manager_begins_a_benchmark_and_sees_tables_and_figures(page: Page, server, screenshots):
    rows = read_manifest(server.data / "gallery/manifest.csv").rows[:12]
    folder = server.data / "manifests"
    folder.mkdir(exist_ok=True)
    lines = [f"{row.image},{row.label},{row.group}" for row in rows]
    (folder / "twelve.csv").write_text("image,label,group\n" + "\n".join(lines) + "\n")
    sign_in(page, server, "manager")
    page.get_by_role("link", name="Benchmarks").click()
    page.get_by_label("Manifest", exact=True).select_option("twelve.csv")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)
    page.screenshot(path=screenshots / "benchmark-form-1280.png", full_page=True)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("link", name="JSON")).to_be_visible(timeout=120_000)
    expect(page.locator(".rz-figure .main-svg").first).to_be_visible(timeout=30_000)
    expect(page.locator(".rz-table caption").first).to_be_visible()
    page.screenshot(path=screenshots / "benchmark-1280.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("基准测试")
    expect(page.locator(".rz-figure .main-svg").first).to_be_visible(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=screenshots / "benchmark-zh-390.png", full_page=True)
    with page.expect_download() as download:
        page.get_by_role("link", name="HTML").click()
    assert re.search(r"benchmark-.*\.html$", download.value.suggested_filename)
