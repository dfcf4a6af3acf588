"""The catalogue's pages: search, filters, one entry, both languages."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from retizero.knowledge import load_catalogue
from webapp.pages import diseases
from webapp.pages.diseases.routes import search


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(diseases.routes())
    with TestClient(app) as opened:
        yield opened


def test_the_list_shows_every_entry_with_its_link(client):
    text = client.get("/diseases").text
    assert all(f'href="/diseases/{d.id}"' in text for d in load_catalogue().diseases)


def test_filters_narrow_the_list_together():
    catalogue = load_catalogue()
    found = search(catalogue, "", "vascular", "common", "")
    assert found
    assert all(d.group == "vascular" and d.rarity == "common" for d in found)
    with_sign = search(catalogue, "", "", "", "flame-hemorrhage")
    assert with_sign
    assert all("flame-hemorrhage" in d.signs for d in with_sign)
    assert search(catalogue, "CRVO", "", "", "")[0].id == "central-retinal-vein-occlusion"
    assert search(catalogue, "视网膜中央静脉阻塞", "", "", "")[0].id == "central-retinal-vein-occlusion"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_entry_has_a_page_that_links_only_to_entries(client, language):
    catalogue = load_catalogue()
    for disease in catalogue.diseases[::9]:
        answer = client.get(f"/diseases/{disease.id}", headers={"Accept-Language": language})
        assert answer.status_code == 200
        assert disease.name_zh in answer.text
        for other in disease.look_alikes:
            assert f'href="/diseases/{other.id}"' in answer.text


def test_an_entry_says_that_no_clinician_has_reviewed_it(client):
    disease = next(d for d in load_catalogue().diseases if not d.reviewed)
    assert "Not yet reviewed by a clinician." in client.get(f"/diseases/{disease.id}").text


def test_what_a_visitor_types_is_shown_as_text(client):
    text = client.get("/diseases", params={"q": "<script>alert(1)</script>\"'"}).text
    assert "<script>alert" not in text


def test_an_unknown_entry_is_one_sentence(client):
    answer = client.get("/diseases/florbular-retinosis")
    assert answer.status_code == 404
    assert "There is no such entry." in answer.text


def test_the_illustration_is_marked_synthetic(client):
    page = client.get("/diseases/drusen").text
    assert "Synthetic illustration" in page
    picture = client.get("/diseases/drusen/synthetic.png")
    assert picture.content.startswith(b"\x89PNG")
    assert client.get("/diseases/charge-syndrome/synthetic.png").status_code == 404
