"""Manifests are read as people save them, and every unusable row is named."""

import pytest

from retizero.data import ManifestError, read_manifest


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "b.jpg", "tab\there.jpg", "左眼.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/c.jpg").touch()
    return tmp_path


def write(folder, text, encoding="utf-8"):
    path = folder / "manifest.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_paths_are_relative_to_the_manifest_and_labels_split_at_semicolons(folder):
    manifest = read_manifest(
        write(folder, "image,label,group\na.jpg,drusen; macular hole,p1\nsub/c.jpg,normal,p2\n")
    )
    first, second = manifest.rows
    assert first.image == folder / "a.jpg"
    assert (first.label, first.labels, first.group, first.row) == (
        "drusen",
        ("drusen", "macular hole"),
        "p1",
        2,
    )
    assert (second.name, second.row) == ("sub/c.jpg", 3)
    assert manifest.problems == ()


def test_a_byte_order_mark_windows_line_ends_and_spaces_do_not_matter(folder):
    text = "Image , LABEL\r\na.jpg, drusen \r\n\r\nsub\\c.jpg,normal\r\n"
    manifest = read_manifest(write(folder, text, "utf-8-sig"))
    assert [row.label for row in manifest] == ["drusen", "normal"]


def test_names_may_hold_tabs_commas_and_chinese(folder):
    (folder / "x, y.jpg").touch()
    manifest = read_manifest(write(folder, 'image,label\ntab\there.jpg,a\n左眼.jpg,b\n"x, y.jpg",c\n'))
    assert [row.image.name for row in manifest] == ["tab\there.jpg", "左眼.jpg", "x, y.jpg"]


def test_without_a_group_every_photograph_is_its_own(folder):
    manifest = read_manifest(write(folder, "image,label\na.jpg,x\nb.jpg,x\n./a.jpg,x\n"))
    groups = [row.group for row in manifest]
    assert groups[0] != groups[1]
    assert groups[0] == groups[2]


def test_a_missing_column_is_named(folder):
    with pytest.raises(ManifestError, match="no column 'label'; it has 'image', 'diagnosis'"):
        read_manifest(write(folder, "image,diagnosis\na.jpg,x\n"))
    with pytest.raises(ManifestError, match="no column 'image'"):
        read_manifest(write(folder, "file,label\na.jpg,x\n"))


def test_labels_may_be_left_out_where_they_are_not_needed(folder):
    manifest = read_manifest(write(folder, "image\na.jpg\n"), labels_required=False)
    assert manifest.rows[0].labels == ()


def test_rows_that_cannot_be_used_are_listed_with_their_numbers(folder):
    manifest = read_manifest(write(folder, "image,label\na.jpg,x\ngone.jpg,x\n,x\nb.jpg,\n"))
    assert len(manifest) == 1
    assert manifest.problems == (
        "Row 3: gone.jpg does not exist.",
        "Row 4: the image column is empty.",
        "Row 5: the label column is empty.",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no column"), ("image,label\n", "no rows"), ("image,image,label\na.jpg,b,c\n", "twice")],
)
def test_an_empty_or_ambiguous_manifest_is_refused(folder, text, words):
    with pytest.raises(ManifestError, match=words):
        read_manifest(write(folder, text))


def test_files_that_are_no_manifest_are_refused(folder):
    with pytest.raises(ManifestError, match="does not exist"):
        read_manifest(folder / "nowhere.csv")
    with pytest.raises(ManifestError, match="is a folder"):
        read_manifest(folder)
    with pytest.raises(ManifestError, match="UTF-8"):
        read_manifest(write(folder, "image,label\na.jpg,青光眼\n", "gb18030"))
    with pytest.raises(ManifestError, match="not a text file"):
        read_manifest(write(folder, "\0\1\2"))


def test_a_split_and_a_source_can_be_chosen(folder):
    manifest = read_manifest(write(folder, "image,label,split,source\na.jpg,x,train,S1\nb.jpg,x,test,S1\n"))
    assert [row.name for row in manifest.where(split="test")] == ["b.jpg"]
    assert len(manifest.where(source="S1")) == 2
    with pytest.raises(ManifestError, match="split 'val'"):
        manifest.where(split="val")


def test_the_table_of_the_shared_photographs_is_read_as_it_is(shared):
    manifest = read_manifest(shared / "fundus/metadata.csv")
    assert len(manifest) == 4049
    assert not manifest.problems
    assert len(manifest.where(split="test")) == 511
    assert manifest.rows[0].labels == ("choroidal nevus", "dry age-related macular degeneration")
