"""Corrected p values against statsmodels'."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from reader_study.analysis.multiplicity import correct


@given(st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.05, 1.0]), min_size=1, max_size=30))
def test_holm_and_benjamini_hochberg_agree_with_statsmodels(p):
    rows = [{"p": each} for each in p]
    correct(rows, false_discovery=True)
    assert [row["p_holm"] for row in rows] == pytest.approx(
        list(multipletests(p, method="holm")[1]), abs=1e-12
    )
    assert [row["p_bh"] for row in rows] == pytest.approx(
        list(multipletests(p, method="fdr_bh")[1]), abs=1e-12
    )


def test_what_was_not_tested_does_not_count():
    rows = [{"p": None}, {"p": 0.03}, {"p": 0.02}]
    correct(rows)
    assert rows == [
        {"p": None},
        {"p": 0.03, "p_holm": pytest.approx(0.04)},
        {"p": 0.02, "p_holm": pytest.approx(0.04)},
    ]
    nothing = [{"p": None}]
    correct(nothing, false_discovery=True)
    assert nothing == [{"p": None}]
