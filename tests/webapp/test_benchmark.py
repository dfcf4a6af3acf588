"""Benchmarks are begun by managers only, on the manifests put there only, and say what the command says."""

import re
import time
from contextlib import closing

import httpx
import numpy as np
import pytest

from retizero.data import read_manifest
from retizero.evaluation import evaluate_retrieval
from tests.webapp.test_http import signed_in
from webapp.pages.benchmark.runs import BenchmarkRuns, Order

PHANTOMS = 6


@pytest.fixture
def manifest(server):
    """A short manifest among those that the server offers."""
    rows = read_manifest(server.data / "gallery/manifest.csv").rows[:PHANTOMS]
    file = server.data / "manifests/phantoms.csv"
    file.parent.mkdir(exist_ok=True)
    lines = [f"{row.image},{row.label},{row.group}" for row in rows]
    file.write_text("image,label,group\n" + "\n".join(lines) + "\n")
    return file


def finished(look, seconds=120):
    """Look until a run has ended; runs are threads, there is nothing to wait for but time."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        found = look()
        if found is not None:
            return found
        time.sleep(0.1)
    raise AssertionError("the run did not end")


class Colours:
    """Embeds a picture as its mean colour."""

    def __init__(self):
        self.identity = self

    def to_dict(self):
        return {"id": "colours", "weights_sha256": "00" * 32}

    def embed_image(self, images):
        means = np.array([image.reshape(-1, 3).mean(axis=0) + 1 for image in images], np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def test_a_run_gives_what_the_command_gives_and_is_kept(tmp_path, manifest):
    order = Order("phantoms.csv", "", ("one", "two"), "retrieval", "cosine", "manager")
    runs = BenchmarkRuns(tmp_path, lambda model: Colours())
    begun = runs.begin(order, manifest)

    def ended():
        run = runs.get(begun.id)
        return run if run.state in ("done", "failed") else None

    run = finished(ended)
    assert (run.state, run.problem) == ("done", "")
    assert (run.done, run.total) == (2 * PHANTOMS, 2 * PHANTOMS)
    expected = evaluate_retrieval(Colours(), read_manifest(manifest))
    assert run.results["one"]["hit_at"] == expected["hit_at"]
    differences = run.results["one - two"]["differences"]
    assert differences
    assert {each["value"] for each in differences.values()} == {0}
    again = BenchmarkRuns(tmp_path, lambda model: Colours()).get(begun.id)
    assert again.results["one"]["map"] == expected["map"]
    assert again.order == order


def test_a_run_that_is_stopped_or_fails_says_so(tmp_path, manifest):
    def missing(model):
        raise ValueError("There is no such model.")

    order = Order("phantoms.csv", "", ("one",), "retrieval", "cosine", "manager")
    runs = BenchmarkRuns(tmp_path, missing)
    failed = runs.begin(order, manifest)
    assert finished(lambda: runs.get(failed.id).problem or None) == "There is no such model."
    runs = BenchmarkRuns(tmp_path, lambda model: runs.stop(waiting.id) or Colours())
    with runs._turn:
        waiting = runs.begin(order, manifest)
    state = finished(lambda: s if (s := runs.get(waiting.id).state) not in ("waiting", "running") else None)
    assert state == "stopped"
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.parametrize("path", ["", "/", "/20260101-000000-abcdef", "/20260101-000000-abcdef/0.json"])
def test_nobody_but_managers_sees_benchmarks(server, path):
    with httpx.Client(base_url=server.url) as anonymous:
        assert anonymous.get(f"/manage/benchmarks{path}").status_code == 401
        assert anonymous.post(f"/manage/benchmarks{path}", data={"manifest": "x"}).status_code == 401
    with closing(signed_in(server, "reader1")) as reader:
        assert reader.get(f"/manage/benchmarks{path}").status_code == 401


@pytest.mark.parametrize(
    "form",
    [
        {"manifest": "../gallery/manifest.csv"},
        {"manifest": "/etc/passwd"},
        {"protocol": "zero-shot//etc/passwd"},
        {"protocol": "retrieval/plain"},
        {"model": "/etc"},
        {"model": []},
        {"split": "nowhere"},
    ],
)
def test_only_what_is_offered_is_run(server, manifest, form):
    asked = {"manifest": "phantoms.csv", "protocol": "zero-shot/plain", "model": "retizero-mini", **form}
    with closing(signed_in(server, "manager")) as manager:
        answer = manager.post("/manage/benchmarks", data=asked)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "root:x:0" not in answer.text


def test_a_manager_measures_the_embedded_model_and_downloads_the_result(server, manifest):
    asked = {"manifest": "phantoms.csv", "protocol": "zero-shot/plain", "model": "retizero-mini"}
    with closing(signed_in(server, "manager")) as manager:
        begun = manager.post("/manage/benchmarks", data=asked)
        assert begun.status_code == 303
        page = begun.headers["location"]

        def ended():
            answer = manager.get(page)
            assert answer.status_code == 200
            return answer if "refresh" not in answer.headers else None

        text = finished(ended).text
        assert "Top-1" in text
        assert "Plotly.newPlot" in text
        assert manager.get(f"{page}/0.json").json()["n"] == PHANTOMS
        assert manager.get(f"{page}/0.md").text.startswith("# ")
        assert "<table>" in manager.get(f"{page}/0.html").text
        assert manager.get(f"{page}/0.csv").text.startswith("\ufeff")
        assert manager.get(f"{page}/9.json").status_code == 404
        assert manager.get("/manage/benchmarks/20260101-000000-abcdef").status_code == 404
        assert page in manager.get("/manage/benchmarks/").text
        script = re.search(r'src="(/assets/plotly[^"]+)"', text)[1]
        assert "max-age" in manager.get(script).headers["cache-control"]
