"""Two models on the same images: the pairing is kept, and what cannot be compared is refused."""

import copy
import json

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from retizero.evaluation import EvaluationError, compare_results, evaluate_retrieval, evaluate_zero_shot
from retizero.evaluation.comparison import mcnemar
from retizero.knowledge import parse_labels
from tests.retizero.evaluation.colour_engine import ColourEngine, paint

LABELS = parse_labels("glaucoma; macular hole; central retinal vein occlusion")


class Blind(ColourEngine):
    """Ranks the candidates the other way round."""

    def similarity(self, embeddings, labels):
        return super().similarity(embeddings, labels)[:, ::-1]


@pytest.fixture
def manifest(tmp_path):
    rng = np.random.default_rng(0)
    names = ["glaucoma", "macular hole", "CRVO"]
    lines = []
    for n in range(40):
        truth = int(rng.integers(3))
        colour = rng.integers(0, 120, 3)
        colour[truth] += 100 * (rng.random() < 0.8)
        lines.append(f"{n}.png,{names[truth]},p{n // 2},s|{colour[0]} {colour[1]} {colour[2]}")
    return paint(tmp_path, lines)


def test_a_model_does_not_differ_from_itself(manifest):
    report = evaluate_zero_shot(ColourEngine(), manifest, LABELS)
    found = compare_results(report, report)
    for row in found["differences"].values():
        assert row["value"] == 0
        assert row["ci"] == [0, 0]
        assert row["p"] == 1
    assert found["mcnemar"]["top_k.1"] == {"only_first": 0, "only_second": 0, "p": 1.0}


def test_differences_are_those_of_the_reports_and_their_interval_resamples_patients(manifest):
    first = evaluate_zero_shot(ColourEngine(), manifest, LABELS)
    second = json.loads(json.dumps(evaluate_zero_shot(Blind(), manifest, LABELS)))
    found = compare_results(first, second, seed=3)
    row = found["differences"]["top_k.1"]
    assert row["first"] == first["top_k"]["1"]["value"]
    assert row["value"] == pytest.approx(first["top_k"]["1"]["value"] - second["top_k"]["1"]["value"])
    right = [
        np.array([image["scores"][labels_of(report).index(image["primary"])] >= max(image["scores"])
                  for image in report["images"]], float)
        for report in (first, second)
    ]  # fmt: skip
    difference = (right[0] - right[1]).reshape(20, 2)
    rng = np.random.default_rng(1)
    drawn = [difference[rng.integers(0, 20, 20)].mean() for _ in range(4_000)]
    assert row["ci"] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)


def labels_of(report):
    return report["protocol"]["candidates"]


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_agrees_with_statsmodels(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.random(60) < 0.7, rng.random(60) < 0.5
    table = [[(first & second).sum(), (first & ~second).sum()], [(~first & second).sum(), 0]]
    assert mcnemar(first, second)["p"] == pytest.approx(
        reference_mcnemar(table, exact=True).pvalue, abs=1e-12
    )


def test_the_order_of_images_does_not_matter(manifest):
    first = evaluate_zero_shot(ColourEngine(), manifest, LABELS)
    second = evaluate_zero_shot(Blind(), manifest, LABELS)
    turned = copy.deepcopy(second)
    turned["images"].reverse()
    assert compare_results(first, turned) == compare_results(first, second)


def test_retrieval_results_are_compared_under_their_common_protocols(manifest):
    first = evaluate_retrieval(ColourEngine(), manifest)
    found = compare_results(first, evaluate_retrieval(ColourEngine(), manifest))
    assert found["differences"]["hit_at.5.cosine"]["value"] == 0
    assert "map.cosine" in found["differences"]


def test_what_cannot_be_compared_is_refused_by_what_differs(manifest, tmp_path):
    first = evaluate_zero_shot(ColourEngine(), manifest, LABELS)
    others = {
        "different candidates": evaluate_zero_shot(
            ColourEngine(), manifest, parse_labels("glaucoma; macular hole; CRVO; drusen")
        ),
        "Compare two zero-shot results": evaluate_retrieval(ColourEngine(), manifest),
    }
    short = copy.deepcopy(first)
    del short["images"][3]
    others["different images"] = short
    without = {key: value for key, value in first.items() if key != "images"}
    others["no answers image by image"] = without
    moved = copy.deepcopy(first)
    moved["images"][0]["group"] = "p9"
    others["different groups"] = moved
    told = copy.deepcopy(first)
    truth = [id for id in labels_of(first) if id not in told["images"][0]["truth"]][:1]
    told["images"][0] |= {"truth": truth, "primary": truth[0]}
    others["disagree about what is true"] = told
    for words, other in others.items():
        with pytest.raises(EvaluationError, match=words):
            compare_results(first, other)
