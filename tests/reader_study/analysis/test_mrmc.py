"""MRMC statistics against plain loops over random data; test_reference has the values of other software."""

import json
import math
from itertools import product

import numpy as np
import pytest

from reader_study.analysis.mrmc import (
    auc_kernels,
    obuchowski_rockette,
    proportion_kernels,
    u_statistics,
)
from reader_study.analysis.mrmc.covariance import covariance
from reader_study.analysis.mrmc.ratings import Ratings, read_ratings
from reader_study.analysis.mrmc.result import mrmc
from reader_study.cli import main
from reader_study.errors import StudyError


@pytest.fixture
def random_ratings():
    """Three treatments, four readers, eleven cases, coarse ratings full of ties."""
    rng = np.random.default_rng(7)
    truth = np.arange(11) % 2 == 0
    values = np.round(rng.normal(size=(3, 4, 11)) + truth * 1.1).clip(-1, 2)
    names = tuple("abc"), tuple("1234"), tuple(map(str, range(11)))
    return Ratings(values, truth, *names)


def test_the_jackknife_equals_leaving_each_case_out(random_ratings):
    values, truth = random_ratings.values, random_ratings.truth
    left_out = []
    for case in range(len(truth)):
        keep = np.arange(len(truth)) != case
        left_out.append(auc_kernels(values[..., keep], truth[keep]).means.reshape(-1))
    deviations = np.array(left_out) - np.mean(left_out, axis=0)
    n = len(truth)
    assert covariance(auc_kernels(values, truth), "jackknife") == pytest.approx(
        (n - 1) / n * deviations.T @ deviations
    )


def test_u_statistic_variance_equals_a_plain_loop_over_pairs_that_share_nothing(random_ratings):
    values = random_ratings.values[:2].copy()
    values[0, 1, 2] = values[1, 3, 4] = np.nan
    kernels = auc_kernels(values, random_ratings.truth)
    found = u_statistics(kernels).covariance
    cells = list(product(*map(range, kernels.terms.shape[1:])))
    for a, b in product(range(2), repeat=2):
        products = [
            kernels.terms[a][x] * kernels.terms[b][y]
            for x in cells
            for y in cells
            if kernels.seen[a][x] and kernels.seen[b][y] and all(i != j for i, j in zip(x, y, strict=True))
        ]
        means = [kernels.terms[t].sum() / kernels.seen[t].sum() for t in (a, b)]
        assert found[a, b] == pytest.approx(means[0] * means[1] - np.mean(products))


def test_three_treatments_give_three_pairs_with_one_denominator(random_ratings):
    found = mrmc(random_ratings, "auc")
    assert [(p["treatment_1"], p["treatment_2"]) for p in found["pairs"]] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert len({round(pair["rrrc"]["se"], 12) for pair in found["pairs"]}) == 1
    assert found["components"]["df1"] == 2


def test_cases_nested_in_treatments_share_no_covariance():
    rng = np.random.default_rng(3)
    values = np.full((2, 4, 20), np.nan)
    values[0, :, :10], values[1, :, 10:] = rng.random((4, 10)) < 0.7, rng.random((4, 10)) < 0.5
    components = obuchowski_rockette(proportion_kernels(values)).components
    assert (components.cov1, components.cov3) == (0.0, 0.0)
    assert components.cov2 != 0.0


def test_a_model_among_nine_readers_is_compared_with_them_and_left_out_of_their_mean():
    rng = np.random.default_rng(11)
    truth = np.arange(60) % 2 == 0
    values = rng.normal(size=(1, 10, 60)) + truth
    names = (*(f"r{i}" for i in range(9)), "model")
    ratings = Ratings(values, truth, ("film",), names, tuple(map(str, range(60))))
    found = mrmc(ratings, "auc", standalone="model")
    of_all = auc_kernels(values, truth).means[0]
    assert found["means"][0]["mean"] == pytest.approx(of_all[:9].mean())
    assert found["model_vs_readers"]["difference"] == pytest.approx(of_all[:9].mean() - of_all[9])


def test_what_cannot_be_estimated_is_said_in_words(random_ratings):
    one = random_ratings.of_readers(("1",))
    pair = mrmc(one, "auc")["pairs"][0]
    assert pair["rrrc"]["p"] is None
    assert "two readers" in pair["rrrc"]["reason"]
    assert pair["frrc"]["p"] is not None
    same = Ratings(np.ones((2, 3, 6)), np.arange(6) > 2, ("a", "b"), tuple("123"), tuple("abcdef"))
    assert "zero" in mrmc(same, "auc")["pairs"][0]["rrrc"]["reason"]
    assert math.isclose(mrmc(same, "auc")["means"][0]["mean"], 0.5)


def test_wrong_files_are_refused_in_one_sentence(tmp_path, random_ratings):
    file = tmp_path / "r.csv"
    for text, words in [
        ("reader,treatment,case,truth\n1,1,1,0\n", "no column rating"),
        ("reader,treatment,case,truth,rating\n", "no readings"),
        ("reader,treatment,case,truth,rating\n1,1,1,2,3\n", "row 2: truth"),
        ("reader,treatment,case,truth,rating\n1,1,1,0,inf\n", "row 2: rating"),
        ("reader,treatment,case,truth,rating\n1,1,1,0,1\n1,1,1,0,2\n", "twice"),
        ("reader,treatment,case,truth,rating\n1,1,1,0,1\n2,1,1,1,2\n", "another truth"),
    ]:
        file.write_text(text)
        with pytest.raises(StudyError, match=words):
            read_ratings(file)
    with pytest.raises(StudyError, match="threshold"):
        mrmc(random_ratings, "proportion")
    with pytest.raises(StudyError, match="no reader x"):
        mrmc(random_ratings, "auc", standalone="x")


def test_the_command_writes_one_document(tmp_path, capsys):
    ratings = tmp_path / "ratings.csv"
    lines = [
        f"{r},{t},{c},{c % 2},{(c * 7 + r * 3 + t * c) % 5}"
        for r, t, c in product(range(3), range(2), range(12))
    ]
    ratings.write_text("reader,treatment,case,truth,rating\n" + "\n".join(lines) + "\n")
    out = tmp_path / "new" / "result.json"
    assert main(["mrmc", "--ratings", str(ratings), "--outcome", "auc", "--out", str(out)]) == 0
    assert set(json.loads(out.read_text())) >= {"pairs", "components", "means"}
    assert main(["mrmc", "--ratings", str(tmp_path / "none.csv"), "--out", str(out)]) == 2
    assert "Traceback" not in capsys.readouterr().err
