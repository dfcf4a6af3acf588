"""The table of classifiers within and across sources, checked against scikit-learn."""

import csv
import io
import warnings

import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from retizero.evaluation.answers import Answers, ImageRef
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.grades import SCALES, graded, quadratic_kappa
from retizero.evaluation.transfer import (
    FACTS,
    LEFT_OUT,
    is_transfer_row,
    merged,
    statistics_of,
    to_csv,
    to_markdown,
    transfer_row,
)

GRADES = SCALES["diabetic_retinopathy"]
IDS = (*GRADES, "glaucoma")


def answers(seed=0, number=60, sharp=2.0, primary=None):
    rng = np.random.default_rng(seed)
    primary = np.arange(number) % len(IDS) if primary is None else primary
    scores = rng.random((number, len(IDS)))
    scores[np.arange(number), primary] += sharp * rng.random(number)
    scores /= scores.sum(axis=1, keepdims=True)
    images = tuple(ImageRef(f"{i}.png", str(i), str(i // 2), "A") for i in range(number))
    truth = np.eye(len(IDS), dtype=bool)[primary]
    return Answers(images, IDS, IDS, scores, truth, primary, None, None, None)


def test_kappa_agrees_with_scikit_learn_also_under_bootstrap_weights():
    rng = np.random.default_rng(1)
    truth, given = rng.integers(0, 5, 80), rng.integers(0, 5, 80)
    given[:50] = truth[:50]
    weights = rng.integers(0, 3, (80, 4)).astype(float)
    assert quadratic_kappa(truth, given)[0] == pytest.approx(
        cohen_kappa_score(truth, given, weights="quadratic")
    )
    for draw, value in enumerate(quadratic_kappa(truth, given, weights)):
        often = np.repeat(np.arange(80), weights[:, draw].astype(int))
        expected = cohen_kappa_score(truth[often], given[often], weights="quadratic", labels=range(5))
        assert value == pytest.approx(expected)


def test_kappa_of_one_grade_only_is_not_defined():
    assert np.isnan(quadratic_kappa(np.zeros(4, int), np.zeros(4, int))[0])


def test_grades_are_the_most_probable_ones_of_images_that_have_a_grade():
    found = answers()
    has, truth, given = graded(found, GRADES)
    assert has.sum() == 50
    assert truth.tolist() == [k for k in found.primary if k < 5]
    assert given.tolist() == found.scores[has][:, :5].argmax(axis=1).tolist()


def test_grades_need_two_of_the_scale_among_the_candidates():
    found = answers()
    has, truth, _ = graded(found, (GRADES[0], "something-else"))
    assert not has.any()
    assert len(truth) == 0


def test_every_measure_agrees_with_scikit_learn():
    found = answers()
    values = {name: float(statistic(None)[0]) for name, statistic in statistics_of(found).items()}
    named = found.scores.argmax(axis=1)
    for k in (1, 3, 5):
        assert values[f"top{k}"] == pytest.approx(top_k_accuracy_score(found.primary, found.scores, k=k))
    assert values["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(found.primary, named))
    assert values["macro_auc"] == pytest.approx(
        roc_auc_score(found.primary, found.scores, multi_class="ovr", average="macro")
    )
    graded_ones = found.primary < 5
    assert values["kappa_diabetic_retinopathy"] == pytest.approx(
        cohen_kappa_score(
            found.primary[graded_ones],
            found.scores[graded_ones][:, :5].argmax(axis=1),
            weights="quadratic",
        )
    )


def test_several_draws_are_averaged_and_their_spread_is_told():
    runs = [answers(seed) for seed in (1, 2, 3)]
    row = transfer_row({"domain": "a"}, runs, resamples=200)
    singles = [transfer_row({}, [run], 200)["measures"]["top1"] for run in runs]
    values = [single["value"] for single in singles]
    measure = row["measures"]["top1"]
    assert measure["value"] == pytest.approx(np.mean(values))
    assert measure["sd_over_draws"] == pytest.approx(np.std(values, ddof=1))
    assert measure["ci"][0] < measure["value"] < measure["ci"][1]
    assert singles[0]["sd_over_draws"] is None
    assert row["n_groups"] == 30


def test_intervals_resample_patients_and_so_are_wider_when_images_repeat():
    once = answers(number=30)
    twice = Answers(
        tuple(ImageRef(f"{i}.png", str(i), str(i % 30), "A") for i in range(60)),
        IDS,
        IDS,
        np.tile(once.scores, (2, 1)),
        np.tile(once.truth, (2, 1)),
        np.tile(once.primary, 2),
        None,
        None,
        None,
    )
    one, two = (transfer_row({}, [each], 300)["measures"]["top1"]["ci"] for each in (once, twice))
    # As wide as 30 images of 30 patients (pairs here), not narrower by the square root of two.
    assert two[1] - two[0] > 0.8 * (one[1] - one[0])


def test_without_grades_there_is_no_kappa_in_any_form_of_the_table():
    primary = np.full(20, 5)
    primary[:10] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = transfer_row({fact: "x" for fact in FACTS}, [answers(number=20, primary=primary)], 100)
    assert row["measures"]["kappa_diabetic_retinopathy"]["value"] is None
    table = list(csv.DictReader(io.StringIO(to_csv([row]))))
    assert table[0]["kappa_diabetic_retinopathy"] == ""
    assert float(table[0]["top1_low"]) <= float(table[0]["top1"]) <= float(table[0]["top1_high"])
    assert "kappa, " not in to_markdown([row], "A table")


def test_a_row_of_the_markdown_table_has_every_value_with_its_interval():
    row = transfer_row({"domain": "A to B", "model": "m", "method": "linear", "shots": 4}, [answers()], 100)
    text = to_markdown([row], "A table")
    line = next(line for line in text.splitlines() if line.startswith("| A to B"))
    assert line.count("[") == 6
    assert f"{row['measures']['top1']['value']:.3f}" in line


def test_rows_that_were_left_out_are_counted_in_every_form_of_the_table():
    row = transfer_row({LEFT_OUT: 17}, [answers(number=12)], 100)
    older = transfer_row({}, [answers(number=12)], 100)
    header, *lines = csv.reader(io.StringIO(to_csv([row, older])))
    assert header[: len(FACTS)] == list(FACTS)
    assert (header[-1], lines[0][-1], lines[1][-1]) == (LEFT_OUT, "17", "")
    lines = [line for line in to_markdown([row, older], "A table").splitlines() if line.startswith("|")]
    assert lines[0].endswith("| test rows left out |")
    assert lines[2].endswith("| 17 |")


def test_an_interval_below_zero_can_be_read():
    row = transfer_row({}, [answers(number=12)], 100)
    measure = {"value": 0.1, "ci": [-0.714, 0.98], "sd_over_draws": None}
    changed = {**row, "measures": {**row["measures"], "kappa_diabetic_retinopathy": measure}}
    assert "0.100 [-0.714 to 0.980]" in to_markdown([changed], "A table")


@pytest.mark.parametrize(
    "document",
    [[], 3, None, {}, {"rows": 1}, {"rows": [1]}, {"rows": [{}]}, {"rows": [{"measures": {}}]}],
)
def test_what_is_no_result_is_not_merged(document):
    with pytest.raises(EvaluationError):
        merged([document])


@pytest.mark.parametrize(
    "damage",
    [{"value": "high"}, {"ci": [0.1]}, {"ci": ["a", "b"]}, {"sd_over_draws": []}, {"ci": [None, 1.0]}],
)
def test_a_row_with_a_damaged_measure_is_no_result(damage):
    row = transfer_row({}, [answers(number=12)], 100)
    damaged = {**row, "measures": {**row["measures"], "top1": {**row["measures"]["top1"], **damage}}}
    assert is_transfer_row(row)
    assert not is_transfer_row(damaged)


def test_only_results_are_merged():
    row = transfer_row({}, [answers(number=12)], 100)
    assert merged([{"rows": [row]}, {"rows": [row]}]) == [row, row]
