"""Patients move whole, each label gives its share, and everything else of the manifest stays."""

import csv
from collections import Counter

import pytest
from PIL import Image

from retizero.cli import main
from retizero.data import ManifestError, read_manifest
from retizero.data.splits import move_groups


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "images").mkdir()
    lines = ["image,label,group,split,note"]
    for number in range(40):
        Image.new("RGB", (8, 8)).save(tmp_path / f"images/{number}.png")
        label, split = ("drusen", "glaucoma")[number % 2], "val" if number < 32 else "test"
        lines.append(f'images/{number}.png,{label},patient {number // 4},{split},"a, b"')
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_whole_patients_move_and_the_rest_stays(manifest, tmp_path):
    out = tmp_path / "elsewhere/moved.csv"
    moved = move_groups(manifest, "val", "train", 0.5, out)
    before, after = read_manifest(manifest).rows, read_manifest(out).rows
    assert [row.image for row in after] == [row.image for row in before]
    assert Counter(row.split for row in after) == {"train": moved, "val": 32 - moved, "test": 8}
    assert not {r.group for r in after if r.split == "val"} & {r.group for r in after if r.split == "train"}
    assert moved == 16  # eight patients of four photographs, all with drusen first: half of them
    with out.open(encoding="utf-8") as file:
        assert {row["note"] for row in csv.DictReader(file)} == {"a, b"}


def test_every_label_gives_and_the_seed_decides_who(manifest, tmp_path):
    text = manifest.read_text(encoding="utf-8")
    for number in range(40):  # every photograph a patient
        text = text.replace(f"/{number}.png,drusen,patient {number // 4}", f"/{number}.png,drusen,p{number}")
        text = text.replace(
            f"/{number}.png,glaucoma,patient {number // 4}", f"/{number}.png,glaucoma,p{number}"
        )
    manifest.write_text(text, encoding="utf-8")
    drawn = []
    for seed in (0, 0, 1):
        move_groups(manifest, "val", "train", 0.25, tmp_path / "moved.csv", seed=seed)
        rows = read_manifest(tmp_path / "moved.csv").where("train").rows
        assert Counter(row.label for row in rows) == {"drusen": 4, "glaucoma": 4}
        drawn.append({row.group for row in rows})
    assert drawn[0] == drawn[1] != drawn[2]


def test_one_source_leaves_wholly(manifest, tmp_path):
    lines = manifest.read_text(encoding="utf-8").splitlines()
    sources = ["source", *("clinic" if number < 18 else "screening" for number in range(40))]
    joined = [f"{line},{source}" for line, source in zip(lines, sources, strict=True)]
    manifest.write_text("\n".join(joined) + "\n", encoding="utf-8")
    assert move_groups(manifest, "val", "unseen", 1, tmp_path / "moved.csv", source="clinic") == 20
    rows = read_manifest(tmp_path / "moved.csv").rows
    unseen = [row.source for row in rows if row.split == "unseen"]
    assert (unseen.count("clinic"), unseen.count("screening")) == (18, 2)  # of one patient, who has both
    assert {row.source for row in rows if row.split == "val"} == {"screening"}


@pytest.mark.parametrize(
    ("leave", "join", "share", "said"),
    [
        ("val", "train", 1.1, "at most 1"),
        ("val", "train", 0.0, "above 0"),
        ("val", "val", 0.5, "not to the same"),
        ("val", "Val ", 0.5, "not to the same"),
        ("val", " ", 0.5, "needs a name"),
        ("nowhere", "train", 0.5, "no row with split 'nowhere'"),
    ],
)
def test_what_cannot_be_moved_is_said_and_nothing_written(manifest, tmp_path, leave, join, share, said):
    with pytest.raises(ManifestError, match=said):
        move_groups(manifest, leave, join, share, tmp_path / "moved.csv")
    assert not (tmp_path / "moved.csv").exists()


def test_a_copy_needs_a_file_name_of_its_own(manifest, tmp_path):
    before = manifest.read_bytes()
    with pytest.raises(ManifestError, match=f"{tmp_path} is a folder"):
        move_groups(manifest, "val", "train", 0.5, tmp_path)
    with pytest.raises(ManifestError, match="is the manifest itself"):
        move_groups(manifest, "val", "train", 0.5, tmp_path / "images" / ".." / "manifest.csv")
    assert manifest.read_bytes() == before


def test_the_command_says_how_many(manifest, tmp_path, capsys):
    out = tmp_path / "moved.csv"
    asked = ["--manifest", str(manifest), "--leave", "val", "--join", "train", "--out", str(out)]
    assert main(["train", "move-groups", *asked, "--share", "0.5"]) == 0
    assert capsys.readouterr().out.strip() == f"{out}: 16 photographs moved"
    assert main(["train", "move-groups", *asked, "--share", "2"]) == 2
    assert "at most 1" in capsys.readouterr().err
