"""The reference statistics and how near to them ours have to be."""

import math

import pytest


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "reference_stats"


def near(wanted, rel=1e-6, **others):
    return pytest.approx(wanted, rel=rel, abs=others.pop("abs", 1e-12), **others)


def same_as_imrmc(pair, want):
    got = [pair["difference"], pair["se"] ** 2, pair["df"], *pair["ci"], pair["p"]]
    names = ("AUCAminusAUCB", "varAUCAminusAUCB", "dfBDG", "botCIBDG", "topCIBDG", "pValueBDG")
    assert got == near([want[name] for name in names], 1e-5)
    normal = math.erfc(abs(pair["statistic"]) / math.sqrt(2))
    assert normal == near(want["pValueNormal"], 1e-5)
