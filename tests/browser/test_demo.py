"""A visitor names diseases in a photograph and finds similar cases."""

import re

import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import expect

from retizero import phantom

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """A phantom that is neither an example of the page nor a case of a study."""
    path = tmp_path_factory.mktemp("visitor") / "photograph.png"
    Image.fromarray(phantom.render("drusen", seed=77)).save(path)
    return path


def upload(page, path):
    page.locator("#rz-upload input[type=file]").set_input_files(str(path))


def test_a_visitor_uploads_a_photograph_and_reads_the_ranking(page, server, photograph, screenshots):
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Name diseases")
    upload(page, photograph)
    rows = page.locator("#rz-ranking tbody tr")
    expect(rows).to_have_count(5)
    shares = [float(cell.rstrip("%")) for cell in rows.locator("td:last-child").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    expect(page.locator("#rz-figure .js-plotly-plot")).to_be_visible()
    expect(page.locator("#rz-said")).to_contain_text("retizero-mini")
    page.screenshot(path=screenshots / "demo-1280.png", full_page=True)
    page.get_by_role("tab", name="Similar cases").click()
    expect(page.locator("#rz-neighbours tbody tr")).to_have_count(6)
    expect(page.locator("#rz-neighbours tbody")).to_contain_text("synthetic")
    page.screenshot(path=screenshots / "retrieval-1280.png", full_page=True)
    page.get_by_role("tab", name="About the model").click()
    expect(page.get_by_text("What it was trained on")).to_be_visible()
    page.screenshot(path=screenshots / "about-1280.png", full_page=True)


def test_an_example_and_an_own_list_of_diseases_are_ranked(page, server):
    page.goto(server.url)
    page.locator("#rz-examples button").nth(2).click()
    expect(page.locator("#rz-ranking tbody tr")).to_have_count(5)
    page.locator("#rz-typed textarea, #rz-typed input").first.fill("drusen; CRVO; glaucoma; normal fundus")
    page.locator("#rz-typed textarea, #rz-typed input").first.press("Enter")
    rows = page.locator("#rz-ranking tbody tr")
    expect(rows).to_have_count(4)
    expect(page.locator("#rz-ranking")).to_contain_text("Central retinal vein occlusion")
    total = sum(float(t.rstrip("%")) for t in rows.locator("td:last-child").all_inner_texts())
    assert total == pytest.approx(100, abs=0.3)


def test_bad_files_get_one_sentence_and_the_server_lives_on(page, server, photograph, tmp_path):
    bad = {
        "empty.jpg": b"",
        "notes.jpg": b"This is not a picture. " * 50,
        "cut.png": photograph.read_bytes()[:2000],
    }
    page.goto(server.url)
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        upload(page, tmp_path / name)
        sentence = page.locator("#rz-problem [role=alert]")
        expect(sentence).to_be_visible()
        assert re.search(r"\w.*\.$", sentence.inner_text()), name
        assert "Traceback" not in page.content()
        page.reload()
    upload(page, photograph)
    expect(page.locator("#rz-ranking tbody tr")).to_have_count(5)


def test_the_page_works_on_a_phone_and_in_chinese(browser, server, photograph, screenshots):
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN", is_mobile=True)
    page = context.new_page()
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("识别眼底照片中的疾病")
    upload(page, photograph)
    expect(page.locator("#rz-ranking tbody tr")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=screenshots / "demo-390-zh.png", full_page=True)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Name diseases")
    context.close()


def test_the_public_endpoints_answer_a_gradio_client(server, photograph, tmp_path):
    client = Client(server.url, verbose=False)
    answer = client.predict(
        handle_file(photograph), "drusen; glaucoma; normal fundus", 2, api_name="/classify"
    )
    assert len(answer["predictions"]) == 2
    assert answer["gate"]["is_fundus"] is True
    assert answer["model"]["id"] == "retizero-mini"
    found = client.predict(handle_file(photograph), 3, api_name="/search")
    assert [set(n) for n in found] == [{"id", "image", "label", "similarity"}] * 3
    text = tmp_path / "text.png"
    text.write_text("no picture")
    assert set(client.predict(handle_file(text), "demo14", 5, api_name="/classify")) == {"error"}
    names = set(client.view_api(return_format="dict")["named_endpoints"])
    assert names == {"/classify", "/search"}


def test_a_visitor_sees_what_speaks_for_a_diagnosis_over_the_photograph(
    page, server, photograph, screenshots
):
    page.goto(server.url)
    upload(page, photograph)
    expect(page.locator("#rz-ranking tbody tr")).to_have_count(5)
    page.get_by_role("tab", name="Evidence").click()
    asked = page.locator("#rz-explained input")
    expect(asked).not_to_have_value("")
    page.get_by_role("button", name="Show the evidence").click()
    picture = page.get_by_role(
        "img", name=re.compile("^Evidence for .* strongest in the .* of the photograph")
    )
    expect(picture).to_be_visible()
    below, above = picture.locator("img").nth(0).bounding_box(), picture.locator("img").nth(1).bounding_box()
    assert above == pytest.approx(below, abs=1)
    layer = picture.locator(".rz-evidence-layer")
    assert float(layer.evaluate("image => getComputedStyle(image).opacity")) == pytest.approx(0.6)
    opacity = page.get_by_role("spinbutton", name=re.compile("Opacity"))
    opacity.fill("20")
    opacity.press("Enter")
    expect(layer).to_have_css("opacity", "0.2")
    expect(page.locator("#rz-evidence")).to_contain_text("not where disease is")
    first = picture.locator("img").nth(1).get_attribute("src")
    asked.click()
    page.get_by_role("option").last.click()
    expect(picture.locator("img").nth(1)).not_to_have_attribute("src", first)
    page.screenshot(path=screenshots / "evidence-1280.png", full_page=True)
