import json
from dataclasses import replace

import pandas as pd
import pytest

from reader_study import aid, conduct, corrections, profile, states
from reader_study.analysis import report
from reader_study.conduct import Answer
from reader_study.errors import NotAllowed
from reader_study.exchange import DICTIONARY, export_study, safe_cell
from reader_study.results import results
from reader_study.tables_in import read_tables
from tests.reader_study.conftest import make_reader, make_study


def read_all(database, reader, answers):
    for ranks in answers:
        token = conduct.next_reading(database, reader.id).token
        conduct.image_for(database, reader.id, token)
        conduct.submit(database, reader.id, token, Answer(ranks, 2, "=1+1"))


@pytest.fixture
def read_study(database, cases):
    readers = [
        make_reader(database, name, site=site, years=3) for name, site in [("ana", "SG"), ("ben", "US")]
    ]
    make_study(database, cases)
    read_all(
        database,
        readers[0],
        [("glaucoma",), ("CRVO", "glaucoma"), ("drusen", "normal-fundus"), ("ungradable",)],
    )
    read_all(
        database, readers[1], [("=cmd|' /C calc'!A0", "glaucoma"), ("retinitis-pigmentosa",), ("drusen",)]
    )
    return database


def test_pandas_scores_the_exported_files_to_the_same_top_k(read_study, tmp_path):
    states.lock_study(read_study, "pilot")
    files = export_study(read_study, "pilot", tmp_path / "out")
    told = results(read_study, "system", "pilot", resamples=200)
    cases, readers, reads, model = (pd.read_csv(file) for file in files[:4])
    assert list(cases) == ["case_id", "truth", "rare"]
    assert list(readers) == ["reader_id", "site", "years", "arm_first"]
    ranks = [f"rank{rank}" for rank in range(1, 6)]
    assert list(reads) == ["reader_id", "case_id", "arm", "period", *ranks, "confidence", "seconds"]
    assert list(model) == ["case_id", *ranks, *(f"score{rank}" for rank in range(1, 6))]
    joined = reads.merge(cases, on="case_id")
    assert len(joined) == 7
    for k in (1, 3, 5):
        joined["right"] = joined[ranks[:k]].eq(joined["truth"], axis=0).any(axis=1)
        by_reader = joined.groupby("reader_id")["right"].agg(["sum", "count"])
        for row in told.readers:
            if row.metric == f"top{k}":
                assert (row.accuracy.x, row.accuracy.n) == tuple(by_reader.loc[row.reader_id])
        right = model.merge(cases, on="case_id")
        assert told.model[f"top{k}"].x == right[ranks[:k]].eq(right["truth"], axis=0).any(axis=1).sum()


def test_our_own_files_read_back_give_the_same_report(read_study, tmp_path):
    files = export_study(read_study, "pilot", tmp_path)
    states.lock_study(read_study, "pilot")
    told = results(read_study, "system", "pilot", resamples=200)
    again = report(read_tables(*files[:4]), seed=told.seed, resamples=200)
    assert again.readers == told.readers
    assert again.groups == told.groups
    assert again.model_vs_readers == told.model_vs_readers


def test_no_cell_of_an_export_starts_a_formula(read_study, tmp_path):
    for file in export_study(read_study, "pilot", tmp_path):
        if file.suffix == ".csv":
            cells = pd.read_csv(file, dtype=str, keep_default_na=False).to_numpy().ravel()
            assert not [cell for cell in cells if cell[:1] in tuple("=+@\t\r-")]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_formula_signs_are_defused(text):
    assert safe_cell(text) == "'" + text
    assert safe_cell(-1.5) == -1.5


def test_exports_are_pseudonymous_complete_and_explained(read_study, tmp_path):
    files = export_study(read_study, "pilot", tmp_path)
    everything = "".join(file.read_text() for file in files if file.suffix != ".xlsx")
    assert "secret-name" not in everything
    assert not {"ana", "ben"} & set(pd.read_csv(tmp_path / "readers.csv")["reader_id"])
    assert json.loads((tmp_path / "protocol.json").read_text())["interim"] is True
    explained = {
        (file, column) for file, columns, _ in DICTIONARY for column in columns.replace("..", ",").split(",")
    }
    assert {"history.csv", "shown.csv", "adjudications.csv", "profiles.csv"} <= {
        file for file, _ in explained
    }
    for name in ("cases", "readers", "reads", "model"):
        for column in pd.read_csv(tmp_path / f"{name}.csv", nrows=0):
            plain = column.rstrip("12345") + ("1" if column[-1].isdigit() else "")
            assert (f"{name}.csv", plain) in explained


def test_exports_wait_for_the_lock_unless_the_command_line_asks(read_study, tmp_path):
    for role in ("manager", "statistician"):
        user = make_reader(read_study, role, role=role)
        with pytest.raises(NotAllowed, match="until the study is locked"):
            export_study(read_study, "pilot", tmp_path, actor_id=user.id)
    reader = make_reader(read_study, "carl")
    states.lock_study(read_study, "pilot")
    with pytest.raises(NotAllowed):
        export_study(read_study, "pilot", tmp_path, actor_id=reader.id)
    assert export_study(read_study, "pilot", tmp_path, actor_id=user.id)


def test_cases_with_several_truths_are_scored_as_the_protocol_says(sqlite, cases):
    two = replace(cases[0], truths=("glaucoma", "drusen"))
    top1 = {}
    reader = make_reader(sqlite)
    for which in ("any", "all", "primary"):
        make_study(sqlite, (two,), which, truths=which)
        read_all(sqlite, reader, [("drusen", "glaucoma")])
        states.lock_study(sqlite, which)
        found = results(sqlite, "system", which, resamples=100)
        top1[which] = [row.accuracy.x for row in found.readers]
    assert top1 == {"any": [1, 1, 1], "all": [0, 1, 1], "primary": [0, 1, 1]}


def test_everything_that_was_stored_is_in_the_export(sqlite, cases, clock, tmp_path):
    reader = make_reader(sqlite, site="SG")
    profile.save_profile(sqlite, reader.id, country="SG", specialty="retina", years=9)
    make_study(sqlite, cases, design="sequential", corrections=True, findings=True, repeats=1)
    while (reading := conduct.next_reading(sqlite, reader.id)) is not None:
        conduct.image_for(sqlite, reader.id, reading.token)
        if reading.aided:
            aid.aid_for(sqlite, reader.id, reading.token)
        answer = Answer(("glaucoma", "odd =1"), 2, "=1+1", ("microaneurysm",))
        conduct.submit(sqlite, reader.id, reading.token, answer)
    opened = corrections.open_correction(sqlite, reader.id, "pilot", 1, 1)
    aid.aid_for(sqlite, reader.id, opened.token)
    conduct.submit(sqlite, reader.id, opened.token, Answer(("drusen",), 4), reason="wrong line")
    export_study(sqlite, "pilot", tmp_path)
    history = pd.read_csv(tmp_path / "history.csv")
    assert len(history) == 11
    assert history.groupby("repeat").size().to_dict() == {0: 9, 1: 2}
    last = history.iloc[-1]
    assert (last["revision"], last["reason"], last["rank1"], last["arm"]) == (
        2,
        "wrong line",
        "drusen",
        "aided",
    )
    assert set(history["findings"].dropna()) == {"microaneurysm"}
    assert history["first_shown_at"].notna().all()
    shown = pd.read_csv(tmp_path / "shown.csv")
    assert len(shown) == 5 * 2
    assert set(shown["kind"]) == {"entry"}
    assert pd.read_csv(tmp_path / "profiles.csv").iloc[0]["specialty"] == "retina"
    assert len(pd.read_csv(tmp_path / "reads.csv")) == 8
