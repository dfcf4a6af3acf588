"""Which pairs a manifest or shards give, and what is said of those that cannot be used."""

import io
import json
import tarfile

import numpy as np
import pytest

from retizero.data import ManifestError
from retizero.knowledge import load_catalogue
from retizero.training.pairs.batches import PairExamples, collated
from retizero.training.pairs.captions import Wording, is_caption_column, written_captions
from retizero.training.pairs.manifest_pairs import pairs_of_manifest
from retizero.training.pairs.pair import said
from retizero.training.pairs.recipe import PairData
from retizero.training.pairs.shards import pairs_of_shards, shard_paths
from retizero.training.pairs.sources import read_pairs
from tests.retizero.training.pairs.tiny_pairs import write_discs

TEMPLATE = Wording("template", "A fundus photograph of {label}")


def manifest_of(folder, text):
    write_discs(folder, 6)
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


BAD = (
    "image,caption\n"
    "0.png,drusen in the macula\n"
    "missing.png,a caption of nothing\n"
    "1.png,bone spicules\n"
    "1.png,bone spicules\n"
    "broken.png,a caption of a broken file\n"
    "2.png,\n"
    ",a caption alone\n"
    "3.png,glaucoma\n"
)


def bad_manifest(folder):
    path = manifest_of(folder, BAD)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nand nothing more")
    return path


def test_every_row_that_cannot_be_used_is_told_and_the_rest_is_used(tmp_path):
    told = []
    pairs = read_pairs(PairData(), TEMPLATE, bad_manifest(tmp_path), strict=False, tell=told.append)
    assert [pair.picture.name for pair in pairs.pairs] == ["0.png", "1.png", "3.png"]
    expected = {
        3: "missing.png does not exist",
        5: "same as row 4",
        6: "broken.png",
        7: "no caption",
        8: "empty",
    }
    for row, words in expected.items():
        assert any(line.startswith(f"Row {row}: ") and words in line for line in told), (row, told)
    assert told[-1].endswith("3 pairs are used.")


def test_strict_refuses_a_manifest_after_telling_every_row(tmp_path):
    told = []
    with pytest.raises(ManifestError, match="5 rows"):
        read_pairs(PairData(), TEMPLATE, bad_manifest(tmp_path), strict=True, tell=told.append)
    assert sum(line.startswith("Row ") for line in told) == 5


def test_captions_come_from_columns_lines_and_further_rows_of_a_photograph(tmp_path):
    path = manifest_of(
        tmp_path, 'image,Text,caption_2\n0.png,one,"two\nthree"\n0.png,four,\n1.png,five,five\n'
    )
    pairs = pairs_of_manifest(path, TEMPLATE).pairs
    assert [pair.captions for pair in pairs] == [("one", "two", "three", "four"), ("five",)]


def test_labels_without_caption_are_put_into_the_catalogues_words(tmp_path):
    path = manifest_of(
        tmp_path, "image,label,caption\n0.png,RP; drusen,\n1.png,made up disease,\n2.png,AMD,own\n"
    )
    found = pairs_of_manifest(path, TEMPLATE)
    assert found.pairs[0].captions == (
        "A fundus photograph of retinitis pigmentosa and drusen",
        "A fundus photograph of retinitis pigmentosa",
        "A fundus photograph of drusen",
    )
    assert found.pairs[1].captions == ("A fundus photograph of made up disease",)
    assert found.pairs[2].captions == ("own",)
    assert found.worded == 2
    assert not found.problems
    rich = Wording("ensemble", "A fundus photograph of {label}").of(["drusen"], load_catalogue())
    assert len(rich) > 2


def test_a_manifest_needs_words(tmp_path):
    with pytest.raises(ManifestError, match="caption, text or label"):
        pairs_of_manifest(manifest_of(tmp_path, "image,age\n0.png,50\n"), TEMPLATE)
    assert len(pairs_of_manifest(tmp_path / "pairs.csv", None).pairs) == 1


@pytest.mark.parametrize(
    ("column", "expected"), [("caption", True), ("text_3", True), ("captions", True), ("context", False)]
)
def test_caption_columns_are_known_by_name(column, expected):
    assert is_caption_column(column) is expected
    assert bool(written_captions({column: " a  b "})) is expected


def test_training_takes_the_train_split_or_what_does_not_validate(tmp_path):
    path = manifest_of(tmp_path, "image,text,split\n0.png,a,\n1.png,b,val\n2.png,c,test\n3.png,d,\n")
    pairs = pairs_of_manifest(path, TEMPLATE)
    assert [pair.captions[0] for pair in pairs.training("val")] == ["a", "d"]
    assert [pair.captions[0] for pair in pairs.of("val")] == ["b"]
    with pytest.raises(ManifestError, match="no two pairs"):
        pairs_of_manifest(manifest_of(tmp_path, "image,text,split\n0.png,a,test\n"), TEMPLATE).training("val")


def test_the_same_words_are_known_whatever_their_case_and_order():
    assert said(("A  b", "C")) == said(("c", "a B")) != said(("a",))
    assert 0 <= said(("a",)) < 2**63


def write_shard(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def shards(folder):
    write_discs(folder, 4)
    picture = [(folder / f"{index}.png").read_bytes() for index in range(4)]
    write_shard(
        folder / "train-0.tar",
        {
            "a/1.png": picture[0],
            "a/1.txt": b"first\nsecond",
            "a/2.png": picture[1],
            "a/2.json": json.dumps({"caption": "third", "label": "drusen"}).encode(),
            "a/3.png": b"no picture",
            "a/3.txt": b"fourth",
            "a/4.txt": b"no picture at all",
        },
    )
    write_shard(
        folder / "val-0.tar",
        {"b/1.png": picture[2], "b/1.json": b'{"labels": ["drusen", "glaucoma"]}', "b/2.png": picture[3]},
    )
    return str(folder / "{train,val}-0.tar"), picture


def test_shards_give_pictures_captions_labels_and_splits(tmp_path):
    pattern, _ = shards(tmp_path)
    told = []
    found = read_pairs(PairData(shards=pattern), TEMPLATE, None, strict=False, tell=told.append)
    assert [(pair.captions[0], pair.labels, pair.split) for pair in found.pairs] == [
        ("first", (), "train"),
        ("third", ("drusen",), "train"),
        ("A fundus photograph of drusen and glaucoma", ("drusen", "glaucoma"), "val"),
    ]
    assert found.pairs[0].captions == ("first", "second")
    from retizero.data import read_image

    assert np.array_equal(found.pairs[1].picture.read(), read_image(tmp_path / "1.png"))
    assert any("a/3" in line and "not a photograph" in line for line in told)
    assert any("a/4" in line and "no picture" in line for line in told)
    assert any("b/2" in line and "no caption" in line for line in told)


def test_keys_name_pairs_within_a_shard_and_the_same_pair_twice_is_told(tmp_path):
    write_discs(tmp_path, 2)
    pictures = [(tmp_path / f"{index}.png").read_bytes() for index in range(2)]
    for name, picture in (("train-0", 0), ("train-1", 1), ("val-0", 0)):
        write_shard(tmp_path / f"{name}.tar", {"000.png": pictures[picture], "000.txt": b"said"})
    told = []
    data = PairData(shards=str(tmp_path / "*.tar"))
    found = read_pairs(data, TEMPLATE, None, strict=False, tell=told.append)
    assert [pair.place for pair in found.pairs] == ["train-0.tar, 000", "train-1.tar, 000"]
    assert any("val-0.tar, 000: the same pair is in train-0.tar" in line for line in told)


def test_a_photograph_of_two_splits_is_told_and_capital_letters_do_not_matter(tmp_path):
    path = manifest_of(
        tmp_path,
        "image,label,split\n0.png,drusen,Train\n1.png,drusen,TRAIN\n0.png,glaucoma,val\n2.png,drusen,Val\n",
    )
    pairs = pairs_of_manifest(path, TEMPLATE)
    assert pairs.problems == ("Row 4: 0.png is in split 'val' here and in 'train' in row 2.",)
    assert [pair.picture.name for pair in pairs.training("val")] == ["0.png", "1.png"]
    assert [pair.picture.name for pair in pairs.of("Val")] == ["2.png"]


def test_splits_of_other_names_are_not_learned_from_unasked(tmp_path):
    path = manifest_of(tmp_path, "image,label,split\n0.png,drusen,learning\n1.png,drusen,learning\n")
    with pytest.raises(ManifestError, match="no split train, but learning"):
        pairs_of_manifest(path, TEMPLATE).training("val")


def test_without_a_check_those_that_validate_are_opened_all_the_same(tmp_path):
    write_discs(tmp_path, 3)
    for name in ("bad.png", "worse.png"):
        (tmp_path / name).write_bytes(b"no picture")
    path = tmp_path / "rows.csv"
    path.write_text(
        "image,label,split\n0.png,drusen,train\nbad.png,drusen,train\n1.png,drusen,val\nworse.png,drusen,val\n"
    )
    told = []
    unchecked = PairData(check="none")
    pairs = read_pairs(unchecked, TEMPLATE, path, strict=False, tell=told.append)
    assert [pair.picture.name for pair in pairs.pairs] == ["0.png", "bad.png", "1.png"]
    with pytest.raises(ManifestError, match="2 rows"):
        read_pairs(unchecked, TEMPLATE, path, strict=True, tell=told.append)


def test_shard_patterns_are_written_out(tmp_path):
    for index in range(9, 12):
        write_shard(tmp_path / f"s-{index:03d}.tar", {})
    found = shard_paths(str(tmp_path / "s-{009..011}.tar"))
    assert [path.name for path in found] == ["s-009.tar", "s-010.tar", "s-011.tar"]
    assert found == shard_paths(str(tmp_path / "s-*.tar"))
    with pytest.raises(ManifestError, match="no shard"):
        pairs_of_shards(str(tmp_path / "t-*.tar"), TEMPLATE)
    (tmp_path / "broken.tar").write_bytes(b"broken" * 200)
    with pytest.raises(ManifestError, match="not a tar file"):
        pairs_of_shards(str(tmp_path / "broken.tar"), TEMPLATE)


def examples_of(pairs, folder, **changes):
    from retizero.data import Preprocess
    from retizero.model.retizero.tokenizer import read_tokenizer
    from retizero.training.augment import Augmentation
    from tests.retizero.model.tiny_retizero import write_vocabulary

    tokenizer = read_tokenizer(write_vocabulary(folder / "words"))
    given = {"same": "caption", "seed": 3, "context_length": 6, **changes}
    return PairExamples(pairs, Preprocess(size=32), Augmentation(), tokenizer, **given)


def test_captions_and_views_are_drawn_anew_each_epoch_and_depend_on_nothing_else(tmp_path):
    path = manifest_of(tmp_path, "image,text,caption\n0.png,of,normal fundus\n1.png,a,a\n")
    examples = examples_of(pairs_of_manifest(path, TEMPLATE).pairs, tmp_path)
    drawn = [examples[(epoch, 0, 0)] for epoch in range(8)]
    assert {len(ids) for _, ids, _ in drawn} == {3, 4}
    assert len({pixels.tobytes() for pixels, _, _ in drawn}) == 8
    assert np.array_equal(examples[(5, 0, 0)][0], drawn[5][0])
    assert len({key for _, _, key in drawn}) == 2
    batch = collated([examples[(1, 0, 0)], examples[(1, 1, 1)]])
    assert batch.mask.sum(dim=1).max() == batch.ids.shape[1]


def test_long_captions_keep_their_separator(tmp_path):
    path = manifest_of(tmp_path, "image,text\n0.png,fundus photograph of retinal detachment a b c\n1.png,a\n")
    examples = examples_of(pairs_of_manifest(path, TEMPLATE).pairs, tmp_path)
    ids = examples[(1, 0, 0)][1]
    assert len(ids) == 6
    assert ids[-1] == examples.tokens("a")[-1]


def test_a_photograph_that_vanishes_is_told_once_and_replaced(tmp_path, capsys):
    path = manifest_of(tmp_path, "image,text\n0.png,of\n1.png,a\n")
    examples = examples_of(pairs_of_manifest(path, TEMPLATE).pairs, tmp_path)
    (tmp_path / "0.png").unlink()
    for epoch in (1, 2):
        assert examples[(epoch, 0, 0)][1] == examples.tokens("a")
    assert capsys.readouterr().err.count("Row 2: ") == 1
