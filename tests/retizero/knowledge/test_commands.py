import csv
import io
import json

import pytest
from typer.testing import CliRunner

from retizero.knowledge import load_catalogue
from retizero.knowledge.cli import app


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_stats_is_one_json_document_with_the_contracts_keys():
    counts = json.loads(run("stats", "--json").stdout)
    assert {"diseases", "synonyms", "prompts", "groups", "label_sets"} <= set(counts)
    assert counts["label_sets"]["demo14"] == 14
    assert sum(counts["groups"].values()) == counts["diseases"]


def test_resolve_is_one_json_document_with_the_contracts_keys():
    done = run("resolve", "wet AMD", "--json")
    assert json.loads(done.stdout) == {
        "query": "wet AMD",
        "id": "neovascular-age-related-macular-degeneration",
        "name": "neovascular age-related macular degeneration",
        "name_zh": load_catalogue()["neovascular-age-related-macular-degeneration"].name_zh,
        "match": "synonym",
        "candidates": [],
    }


def test_an_unknown_disease_is_an_answer_not_an_error():
    done = run("resolve", "florbular retinosis", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["match"] == "none"


def test_show_prints_findings_and_look_alikes():
    text = run("show", "CRAO").stdout
    assert "视网膜中央动脉阻塞" in text
    assert "cherry-red spot" in text
    assert "not yet reviewed by a clinician" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "xyzzy"),
        ("sets", "none"),
        ("review", "no-such-entry", "--by", "Dr Ada X"),
        ("review", "glaucoma"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_status_2(arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_sets_lists_the_sets_and_the_labels_of_one():
    rows = json.loads(run("sets", "--json").stdout)
    assert [row["name"] for row in rows][:2] == ["demo14", "common15"]
    one = json.loads(run("sets", "dr5", "--json").stdout)
    assert one["labels"][0]["id"] == "no-apparent-diabetic-retinopathy"


def test_export_writes_every_entry_as_json_and_csv(tmp_path):
    count = len(load_catalogue())
    assert run("export", "--out", str(tmp_path / "all.json")).exit_code == 0
    assert len(json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))["diseases"]) == count
    rows = list(csv.DictReader(io.StringIO(run("export", "--format", "csv").stdout)))
    assert len(rows) == count
    assert [path.name for path in tmp_path.iterdir()] == ["all.json"]


def test_export_to_an_impossible_place_is_one_sentence(tmp_path):
    done = run("export", "--out", str(tmp_path / "missing" / "all.json"))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_review_without_an_entry_shows_the_progress():
    assert run("review").stdout == f"0 of {len(load_catalogue())} entries are signed off.\n"
