from pathlib import Path

import pytest

from reader_study.case_list import read_cases
from reader_study.errors import DesignError
from reader_study.protocol import Protocol
from reader_study.protocol_file import KEYS, protocol_from, read_protocol
from retizero.knowledge import label_set


def write(folder, text):
    path = folder / "cases.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_short_protocol_takes_its_name_from_the_file(tmp_path):
    path = tmp_path / "winter.yaml"
    path.write_text("title: Winter\nlabel_set: demo14\nk: 3\nprotocol_version: 1.2\nprotokol: x\n")
    protocol, warnings = read_protocol(path)
    assert (protocol.name, protocol.k, protocol.version, protocol.readers) == ("winter", 3, "1.2", "all")
    assert warnings == ("protokol: is not a key of the protocol and was ignored.",)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"k": 0}, "k"),
        ({"k": 21}, "k"),
        ({"k": True}, "k"),
        ({"k": "5"}, "k"),
        ({"k": 2.0}, "k"),
        ({"wash_out_days": -1}, "wash_out_days"),
        ({"seed": 2**31}, "seed"),
        ({"rule": "fuzzy"}, "rule"),
        ({"truths": "most"}, "truths"),
        ({"design": "latin square"}, "design"),
        ({"arms": ["unaided", "aided"]}, "arms"),
        ({"arms": ["helped"]}, "arms"),
        ({"arms": [1]}, "arms"),
        ({"design": "crossover", "arms": ["aided"]}, "arms"),
        ({"design": "crossover", "periods": 3}, "periods"),
        ({"periods": 0}, "periods"),
        ({"design": "sequential", "wash_out_days": 7}, "wash_out_days"),
        ({"blocks": 2}, "blocks"),
        ({"design": "split-plot", "blocks": 1}, "blocks"),
        ({"repeats": -1}, "repeats"),
        ({"stratify_by": ["age"]}, "stratify_by"),
        ({"time_limit_seconds": 1}, "time_limit_seconds"),
        ({"reference": "guess"}, "reference"),
        ({"readers": []}, "readers"),
        ({"readers": "some"}, "readers"),
        ({"name": "a b"}, "name"),
        ({"live_results": True}, "live_results"),
        ({"free_text": "yes"}, "free_text"),
        ({"confidence_levels": 1}, "confidence_levels"),
        ({"title": "a\nb"}, "title"),
    ],
)
def test_a_bad_value_is_named(content, key):
    with pytest.raises(DesignError, match=f"{key}: "):
        protocol_from({"name": "pilot", **content})


@pytest.mark.parametrize(
    ("content", "arms", "periods", "wash_out_days", "blocks"),
    [
        ({}, ("unaided",), 1, 0, 1),
        ({"arms": "aided"}, ("aided",), 1, 0, 1),
        ({"design": "Single-Arm", "periods": 2}, ("unaided",), 2, 0, 1),
        ({"design": "sequential"}, ("unaided", "aided"), 2, 0, 1),
        ({"design": "crossover"}, ("unaided", "aided"), 2, 28, 1),
        ({"design": "cross-over", "wash_out_days": 14, "periods": 2}, ("unaided", "aided"), 2, 14, 1),
        ({"design": "split-plot"}, ("unaided",), 1, 0, 2),
        ({"design": "split_plot", "arms": ["unaided", "aided"], "blocks": 3}, ("unaided", "aided"), 2, 28, 3),
    ],
)
def test_a_design_fills_in_what_it_fixes(content, arms, periods, wash_out_days, blocks):
    protocol, warnings = protocol_from({"name": "pilot", **content})
    assert warnings == ()
    assert (protocol.arms, protocol.periods) == (arms, periods)
    assert (protocol.wash_out_days, protocol.blocks) == (wash_out_days, blocks)
    again = Protocol(**{**protocol.__dict__})
    assert again == protocol


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "just words", "", "1: 2"])
def test_what_is_no_protocol_is_refused_in_one_sentence(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(DesignError):
        read_protocol(path)
    with pytest.raises(DesignError, match="cannot be read"):
        read_protocol(tmp_path / "none.yaml")


def test_every_bad_row_of_a_case_list_is_named_at_once(tmp_path):
    (tmp_path / "good.png").write_bytes(b"x")
    (tmp_path / "empty.png").write_bytes(b"")
    path = write(
        tmp_path,
        "case_id,image,truth,rare\n"
        "A,good.png,glaucoma,1\n"
        "B,none.png,glaucoma,0\n"
        "C,empty.png,glaucoma,0\n"
        "D,good.png,glaukomma nonsense,0\n"
        "E,good.png,,0\n"
        "A,good.png,glaucoma,0\n"
        "G G,good.png,glaucoma,0\n"
        "H,good.png,glaucoma,maybe\n"
        "I,good.png,CRVO;central retinal vein occlusion,0\n"
        "J,,glaucoma,0\n"
        "K,good.png,glaucoma,0,extra\n",
    )
    with pytest.raises(DesignError) as refusal:
        read_cases(path, label_set("demo14"))
    rows = [problem.split(":")[0] for problem in refusal.value.problems]
    assert sorted(set(rows), key=lambda row: int(row[4:])) == [f"row {number}" for number in range(3, 13)]


def test_a_good_case_list_keeps_truths_in_order_and_further_columns(tmp_path):
    (tmp_path / "good.png").write_bytes(b"x")
    path = write(
        tmp_path, "\ufeffcase_id,image,truth,rare,site,camera\nA,good.png,CRVO; glaucoma,yes,SG,Topcon\n"
    )
    (case,) = read_cases(path, label_set("demo14"))
    assert case.truths == ("central-retinal-vein-occlusion", "glaucoma")
    assert (case.rare, case.site, dict(case.extra)) == (True, "SG", {"camera": "Topcon"})


@pytest.mark.parametrize("text", ["", "case_id,truth\nA,glaucoma\n", "case_id,image,truth\n"])
def test_a_case_list_without_columns_or_rows_is_refused(tmp_path, text):
    with pytest.raises(DesignError, match=r"lacks the columns|has no rows"):
        read_cases(write(tmp_path, text), label_set("demo14"))


def test_the_guide_tells_every_key_of_the_protocol():
    guide = (Path(__file__).parents[2] / "docs" / "reader-study.md").read_text(encoding="utf-8")
    assert [key for key in KEYS if f"`{key}`" not in guide] == []
