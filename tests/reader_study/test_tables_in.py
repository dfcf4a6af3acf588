"""Files from elsewhere: what is wrong with them is said in one sentence that names the rows."""

import pytest

from reader_study.cli import main

CASES = "case_id,truth,rare\nC1,drusen,0\nC2,glaucoma,1\n"
READERS = "reader_id,site,years,arm_first\nR1,S,3,unaided\nR2,S,,unaided\n"
READS = "reader_id,case_id,arm,period,rank1,rank2,confidence,seconds\n" + "".join(
    f"R{r},C{c},{arm},{period},drusen,,3,20.5\n"
    for r in (1, 2)
    for c in (1, 2)
    for period, arm in enumerate(("unaided", "aided"), 1)
)
MODEL = "case_id,rank1,score1\nC1,drusen,0.5\nC2,drusen,0.5\n"


@pytest.fixture
def analyse(tmp_path, capsys):
    def run(**changed):
        files = {"cases": CASES, "readers": READERS, "reads": READS, "model": MODEL} | changed
        arguments = ["analyse", "--out", str(tmp_path / "report.json"), "--resamples", "100"]
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
            arguments += [f"--{name}", str(tmp_path / f"{name}.csv")]
        return main(arguments), capsys.readouterr().err.strip()

    return run


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cases": CASES + "C1,drusen,0\n"}, "case_id twice"),
        ({"cases": CASES + ",drusen,0\n"}, "rows 4 have no case_id"),
        ({"cases": CASES + "C3,,0\n"}, "no truth"),
        ({"cases": CASES + "C3,drusen,maybe\n"}, "rows 4 have something else than 0 or 1"),
        ({"readers": READERS + "R1,S,3,aided\n"}, "reader_id twice"),
        ({"readers": READERS + "R3,S,many,aided\n"}, "row 4: 'many' is not a number"),
        ({"readers": READERS + "R3,S,-1,aided\n"}, "below 0"),
        ({"reads": READS + READS.splitlines()[1] + "\n"}, "rows 10 repeat a reading"),
        ({"reads": READS + "R9,C1,aided,1,drusen,,3,2\n"}, "rows 10 name a case or reader"),
        ({"reads": READS + "R1,C1,,1,drusen,,3,2\n"}, "rows 10 have no arm"),
        ({"reads": READS + "R1,C1,other,1,,drusen,3,2\n"}, "leave a rank empty"),
        ({"reads": READS + "R1,C1,other,nan,drusen,,3,2\n"}, "not a finite number"),
        ({"reads": READS + "R1,C1,other,1,drusen,,99999999999999999999,2\n"}, "not a whole number"),
        ({"reads": READS + "R1,C1,other,1,drusen,,2.5,2\n"}, "not a whole number"),
        ({"reads": READS + "R1,C1,other,1,drusen,,3,-2\n"}, "below 0"),
        ({"reads": READS.replace("rank2", "rank1")}, "column 'rank1' twice"),
        ({"reads": READS.replace("rank1", "first")}, "lacks the columns rank1"),
        ({"reads": ""}, "lacks the columns"),
        ({"model": MODEL + "C9,drusen,0.5\n"}, "no case of the study"),
        ({"model": MODEL.replace("0.5", "half")}, "'half' is not a number"),
    ],
)
def test_what_is_wrong_is_one_sentence(analyse, changed, words):
    status, said = analyse(**changed)
    assert (status, len(said.splitlines())) == (2, 1)
    assert words in said


@pytest.mark.parametrize(
    "changed",
    [
        {
            name: "\ufeff" + text.replace("\n", "\r\n\r\n")
            for name, text in (("cases", CASES), ("reads", READS))
        },
        {"reads": READS.splitlines()[0] + "\n"},
        {"reads": READS.replace("drusen", "玻璃膜疣"), "readers": READERS.replace("S,", "中山眼科,")},
        {"model": "case_id,rank1,score1\n"},
    ],
)
def test_marks_blank_lines_no_readings_and_chinese_names_are_read(analyse, changed):
    assert analyse(**changed)[0] == 0
