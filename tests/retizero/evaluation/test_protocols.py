"""The protocols count what they say they count."""

import json

import numpy as np
import pytest

from retizero.evaluation import EvaluationError, evaluate_retrieval, evaluate_zero_shot
from retizero.knowledge import parse_labels
from tests.retizero.evaluation.colour_engine import ColourEngine, paint

LABELS = parse_labels("glaucoma; macular hole; central retinal vein occlusion")


@pytest.fixture
def write(tmp_path):
    return lambda *parts: paint(tmp_path, *parts)


def test_zero_shot_worked_by_hand(write):
    manifest = write(
        [
            "a.png,glaucoma,p1,s1|200 30 10",  # first
            "b.png,glaucoma,p1,s1|10 200 30",  # third
            "c.png,macular hole,p2,s2|30 200 10",  # first
            "d.png,CRVO;macular hole,p3,s2|30 200 10",  # second label first
            "e.png,macular hole,p4,s2|200 30 10",  # second
        ]
    )
    report = evaluate_zero_shot(ColourEngine(calibrated=True), manifest, LABELS)
    assert report["n"] == 5
    assert report["top_k"]["1"]["value"] == pytest.approx(3 / 5)
    assert report["top_k"]["3"]["value"] == 1.0
    assert report["balanced_accuracy"]["value"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert report["conformal"]["coverage"] == pytest.approx(3 / 5)
    assert report["conformal"]["mean_size"] == 1.0
    by_label = {row["id"]: row for row in report["per_label"]}
    assert by_label["macular-hole"]["n"] == 3
    assert by_label["macular-hole"]["top1"] == pytest.approx(2 / 3)
    # three right photographs of two patients among three: no resample differs, Wilson's interval of 3 draws
    assert by_label["macular-hole"]["top3_ci"] == pytest.approx([0.4385, 1.0], abs=1e-4)
    assert [(row["source"], row["n"]) for row in report["per_source"]] == [("s1", 2), ("s2", 3)]
    assert report["chance"]["top_k"]["1"] == pytest.approx((4 * 1 / 3 + 2 / 3) / 5)
    low, high = report["top_k"]["1"]["ci"]
    assert 0 <= low <= 0.6 <= high <= 1
    assert report["protocol"]["groups"] == 4
    json.dumps(report)


def test_the_report_has_the_parts_of_the_contract_and_no_unknown_ones(write):
    manifest = write(["a.png,glaucoma,p1,s|200 30 10", "b.png,macular hole,p2,s|10 200 30"])
    report = evaluate_zero_shot(ColourEngine(), manifest)
    contract = {"n", "top_k", "macro_auc", "balanced_accuracy", "per_label", "ece", "conformal"}
    more = {"macro_ap", "reliability", "selective", "per_source", "look_alikes", "chance", "images"}
    assert set(report) == contract | more | {"protocol", "model"}
    assert set(report["top_k"]) == {"1", "3", "5"}
    assert report["conformal"] == {"coverage": None, "mean_size": None}


def test_synonyms_in_english_and_chinese_mean_the_same_candidate(write):
    manifest = write(
        [
            "a.png,CRVO,p1,s|10 30 200",
            "b.png,视网膜中央静脉阻塞,p2,s|10 30 200",
            "c.png,glaucoma,p3,s|200 30 10",
        ]
    )
    report = evaluate_zero_shot(ColourEngine(), manifest)
    assert sorted(report["protocol"]["candidates"]) == ["central-retinal-vein-occlusion", "glaucoma"]


def test_rows_without_a_candidate_and_files_that_cannot_be_read_are_listed(write, tmp_path):
    manifest = write(
        [
            "a.png,glaucoma,p1,s|200 30 10",
            "b.png,asteroid hyalosis,p2,s|10 200 30",
            "c.png,glaucoma,p3,s|200 30 10",
        ]
    )
    (tmp_path / "c.png").write_bytes(b"nothing")
    report = evaluate_zero_shot(ColourEngine(), manifest, LABELS)
    assert report["n"] == 1
    assert report["protocol"]["rows_left_out"]["count"] == 1
    assert "Row 3" in report["protocol"]["rows_left_out"]["rows"][0]
    assert report["protocol"]["problems"][0].startswith("Row 4: ")


def test_a_manifest_without_a_single_candidate_is_refused(write):
    manifest = write(["b.png,asteroid hyalosis,p2,s|10 200 30"])
    with pytest.raises(EvaluationError, match="None of the manifest's labels"):
        evaluate_zero_shot(ColourEngine(), manifest, LABELS)


RETRIEVAL = [
    "a.png,glaucoma,p1,s|200 10 10",
    "b.png,glaucoma,p1,s|200 11 10",  # nearest to a, but the same patient
    "c.png,macular hole,p2,s|200 20 10",
    "d.png,glaucoma;macular hole,p3,s|200 60 10",
    "e.png,CRVO,p4,s|10 10 200",
]


def test_leave_one_out_retrieval_worked_by_hand(write):
    report = evaluate_retrieval(ColourEngine(), write(RETRIEVAL))
    # Rankings by colour, own patient left out: a: c d e; b: c d e; c: b a d e; d: c b a e; e: d c b a.
    relevant = {"a": [0, 1, 0], "b": [0, 1, 0], "c": [0, 0, 1, 0], "d": [1, 1, 1, 0], "e": [0, 0, 0, 0]}
    assert report["n_gallery"] == report["n_queries"] == 5
    for k in (1, 3, 5):
        hits = np.mean([any(found[:k]) for found in relevant.values()])
        precision = np.mean([sum(found[:k]) / k for found in relevant.values()])
        assert report["hit_at"][str(k)]["value"] == pytest.approx(hits)
        assert report["precision_at"][str(k)]["value"] == pytest.approx(precision)
    assert report["map"]["value"] == pytest.approx(np.mean([1 / 2, 1 / 2, 1 / 3, 1, 0]))
    assert report["protocol"]["queries_without_relevant_image"] == 1
    json.dumps(report)


def test_queries_of_their_own_never_meet_their_own_group(write):
    gallery = write(RETRIEVAL, "gallery.csv")
    queries = write(["q.png,glaucoma,p1,s|200 10 10", "r.png,CRVO,p9,s|10 10 200"], "queries.csv")
    report = evaluate_retrieval(ColourEngine(), gallery, queries)
    assert (report["n_gallery"], report["n_queries"]) == (5, 2)
    # q: c d e without its own patient's a and b; r: e first.
    assert report["hit_at"]["1"]["value"] == pytest.approx(1 / 2)
    assert report["map"]["value"] == pytest.approx((1 / 2 + 1) / 2)
    assert set(report["hit_at"]["1"]) == {"value", "ci"}


def test_a_gallery_of_one_patient_is_refused(write):
    with pytest.raises(EvaluationError, match="nothing can be found"):
        evaluate_retrieval(ColourEngine(), write(RETRIEVAL[:2]))
