"""Files for other programs hold the readings: read back, they give our own numbers."""

import csv

import numpy as np
import openpyxl
import pytest

from reader_study.analysis import report
from reader_study.analysis.mrmc.outcomes import auc_kernels
from reader_study.analysis.mrmc.ratings import read_ratings
from reader_study.analysis.mrmc.result import mrmc
from reader_study.analysis.mrmc.ustatistic import u_statistics
from reader_study.exchange import write_rows
from reader_study.programs import MRMCAOV_COLUMNS, mrmcaov_rows, outcomes, write_programs
from tests.reader_study.test_documents import study


@pytest.fixture(scope="module")
def table():
    return study(readers=4)


@pytest.fixture(scope="module")
def told(table):
    return report(table, resamples=100).to_json()


def test_the_mrmcaov_table_gives_the_reports_comparison(table, told, tmp_path):
    path = write_rows(tmp_path / "m.csv", MRMCAOV_COLUMNS, mrmcaov_rows(outcomes(table)))
    pair = mrmc(read_ratings(path), "proportion")["pairs"][0]
    want = told["aided_vs_unaided"]["top1"]
    assert (pair["treatment_1"], pair["treatment_2"]) == ("aided", "unaided")
    assert [pair["rrrc"][key] for key in ("difference", "se", "df", "p")] == pytest.approx(
        [want[key] for key in ("difference", "se", "df", "p")]
    )


def test_the_imrmc_file_has_areas_that_are_proportions_of_right_readings(table, told, tmp_path):
    text, _ = write_programs(table, tmp_path)
    lines = text.read_text().splitlines()
    start = lines.index("BEGIN DATA:")
    counts = dict(line.split(": ") for line in lines[:start] if line[:2] in ("N0", "N1", "NR", "NM"))
    assert counts == {"N0": "1", "N1": "12", "NR": "4", "NM": "2"}
    rows = [line.split(",") for line in lines[start + 1 :]]
    truth = {int(case): int(score) for reader, case, _, score in rows if reader == "-1"}
    values = np.full((2, 4, 13), np.nan)
    for reader, case, modality, score in rows:
        if reader != "-1":
            values[int(modality) - 1, int(reader) - 1, int(case) - 1] = float(score)
    assert not np.isnan(values).any()
    diseased = np.array([truth[case] == 1 for case in range(1, 14)])
    assert diseased.sum() == 12
    areas = [mean.difference for mean in u_statistics(auc_kernels(values, diseased)).means]
    assert areas == pytest.approx([told["arms"][arm]["top1"]["accuracy"] for arm in ("aided", "unaided")])


def test_the_rjafroc_workbook_has_every_rating_once(table, tmp_path):
    book = openpyxl.load_workbook(write_programs(table, tmp_path)[1])
    sheets = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}
    assert sheets["TRUTH"][0] == ("CaseID", "LesionID", "Weight", "ReaderID", "ModalityID", "Paradigm")
    assert [row[5] for row in sheets["TRUTH"][1:4]] == ["ROC", "FCTRL", None]
    assert len(sheets["TRUTH"]) == 1 + 13
    assert len(sheets["FP"]) == 1 + 4 * 2
    assert len({row[:3] for row in sheets["TP"][1:]}) == 4 * 2 * 12
    assert sum(row[4] for row in sheets["TP"][1:]) == sum(each.right for each in outcomes(table))


def test_nothing_read_writes_no_file(tmp_path):
    assert write_programs(study(readers=0), tmp_path) == ()
    assert not list(tmp_path.iterdir())


def test_names_that_spreadsheets_take_for_formulas_do_no_harm(table, tmp_path):
    path = write_rows(tmp_path / "m.csv", MRMCAOV_COLUMNS, [("=1+1", "unaided", "c", 1, 1)])
    assert next(csv.DictReader(path.open()))["reader"] == "'=1+1"
