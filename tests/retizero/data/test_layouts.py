"""Public layouts, generated tiny as they lie on disk, become manifests with labels the catalogue knows."""

import csv

import pytest
from PIL import Image

from retizero.data import ManifestError, read_manifest
from retizero.data.layouts import LAYOUTS, convert
from retizero.data.layouts.entry import names
from retizero.knowledge import load_catalogue

FREE_TEXT = {
    "macular scar",
    "retinal pigment epithelium changes",
    "haemorrhagic retinopathy",
    "retinal collateral vessels",
}


@pytest.fixture
def disk(tmp_path):
    root = tmp_path / "data"

    def put(*images, **tables):
        for name in images:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16)).save(path)
        for name, lines in tables.items():
            path = root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(path.name + ".csv").write_text("\n".join(lines), encoding="utf-8")
        return root

    return put


def converted(layout, root):
    out = root.parent / "manifests/m.csv"
    count, problems = convert(layout, root, out)
    rows = read_manifest(out)
    assert len(rows) == count
    assert not rows.problems
    return {
        row.image.relative_to(root).as_posix(): (row.labels, row.group_text, row.split)
        for row in map(plain, rows)
    }, problems


def plain(row):
    from types import SimpleNamespace

    group = "" if row.group == str(row.image.resolve()) else row.group
    return SimpleNamespace(image=row.image.resolve(), labels=row.labels, group_text=group, split=row.split)


def test_every_code_is_known_to_the_catalogue():
    catalogue = load_catalogue()
    for data_set in ("rfmid", "jsiec", "dr_grade", "messidor_grade", "flair"):
        unknown = {name for name in names(data_set).values() if catalogue.resolve(name).id is None}
        assert unknown <= FREE_TEXT


def test_image_folders_with_and_without_splits(disk):
    found, problems = converted(
        "imagefolder", disk("train/macular_hole/a.png", "val/glaucoma/b.jpg", "drusen/c.png", "stray.png")
    )
    assert found == {
        "train/macular_hole/a.png": (("macular hole",), "", "train"),
        "val/glaucoma/b.jpg": (("glaucoma",), "", "val"),
        "drusen/c.png": (("drusen",), "", ""),
    }
    assert problems == ("stray.png lies in no folder that names its label.",)


def test_flair_tables(disk):
    root = disk(
        "08_ODIR/a.png", "b.png",
        dataframes__x_train=[
            "image,attributes,categories",
            "08_ODIR/a.png,[],\"['glaucoma', 'drusen']\"",
            "gone.png,[],['normal']",
        ],
        dataframes__x_test=["image,attributes,categories", "b.png,[],['noDR']"],
    )  # fmt: skip
    found, problems = converted("flair", root)
    assert found == {
        "08_ODIR/a.png": (("glaucoma", "drusen"), "", "train"),
        "b.png": (("normal fundus",), "", "test"),
    }
    assert problems == ("x_train.csv: gone.png does not exist.",)


def test_odir_has_two_eyes_of_one_patient_and_repeats_them(disk):
    header = "ID,Left-Fundus,Right-Fundus,Left-Diagnostic Keywords,Right-Diagnostic Keywords,N,D,G,C,A,H,M,O"
    root = disk(
        *(f"ODIR-5K/Training Images/{n}_{side}.jpg" for n in (0, 1) for side in ("left", "right")),
        full_df=[
            header,
            "0,0_left.jpg,0_right.jpg,cataract,normal fundus，epiretinal membrane,0,0,0,1,0,0,0,0",
            "0,0_left.jpg,0_right.jpg,cataract,normal fundus，epiretinal membrane,0,0,0,1,0,0,0,0",
            "1,1_left.jpg,1_right.jpg,lens dust，low image quality,drusen,0,0,1,0,0,0,0,0",
            "2,2_left.jpg,2_right.jpg,drusen,drusen,0,0,0,0,0,0,0,1",
        ],
    )
    found, problems = converted("odir", root)
    assert {name.rsplit("/", 1)[1]: labels for name, (labels, _, _) in found.items()} == {
        "0_left.jpg": ("cataract",),
        "0_right.jpg": ("normal fundus", "epiretinal membrane"),
        "1_left.jpg": ("glaucoma",),
        "1_right.jpg": ("drusen",),
    }
    assert {group for _, group, _ in found.values()} == {"odir_0", "odir_1"}
    assert {split for _, _, split in found.values()} == {"train"}
    assert problems == ("Patient 2: 2_left.jpg does not exist.", "Patient 2: 2_right.jpg does not exist.")


def test_rfmid_numbers_photographs_anew_in_every_split(disk):
    header = "ID,Disease_Risk,DR,ARMD,ODPM"
    root = disk(
        "Training_Set/Training/1.png", "Training_Set/Training/2.png", "Test_Set/Test/1.png",
        Training_Set__RFMiD_Training_Labels=[header, "1,1,1,0,1", "2,0,0,0,0", "3,0,0,0,0"],
        Test_Set__RFMiD_Testing_Labels=[header, "1,1,0,1,0"],
    )  # fmt: skip
    found, problems = converted("rfmid", root)
    assert found == {
        "Training_Set/Training/1.png": (("diabetic retinopathy", "optic pit maculopathy"), "", "train"),
        "Training_Set/Training/2.png": (("normal fundus",), "", "train"),
        "Test_Set/Test/1.png": (("age-related macular degeneration",), "", "test"),
    }
    assert problems == ("RFMiD_Training_Labels.csv: photograph 3 does not exist.",)


def test_jsiec_folders(disk):
    found, problems = converted(
        "jsiec", disk("1000images/1.1.DR3/a.JPG", "1000images/10.0.Possible glaucoma/b.jpg", "x/c.jpg")
    )
    assert [labels for labels, _, _ in found.values()] == [
        ("proliferative diabetic retinopathy",),
        ("glaucoma suspect",),
    ]
    assert problems == ("c.jpg lies in x, which is no class of JSIEC.",)


def test_idrid_grades(disk):
    header = "Image name,Retinopathy grade,Risk of macular edema ,"
    root = disk(
        "1. Original Images/a. Training Set/IDRiD_001.jpg", "1. Original Images/b. Testing Set/IDRiD_001.jpg",
        **{
            "2. Groundtruths__a. IDRiD_Disease Grading_Training Labels": [header, "IDRiD_001,3,2,", ",,,"],
            "2. Groundtruths__b. IDRiD_Disease Grading_Testing Labels": [header, "IDRiD_001,0,0,"],
        },
    )  # fmt: skip
    found, _ = converted("idrid", root)
    assert found == {
        "1. Original Images/a. Training Set/IDRiD_001.jpg": (
            ("severe nonproliferative diabetic retinopathy", "diabetic macular edema"), "", "train"),
        "1. Original Images/b. Testing Set/IDRiD_001.jpg": (("normal fundus",), "", "test"),
    }  # fmt: skip


def test_messidor_and_its_second_edition(disk):
    root = disk("Base11/a.tif", "Base11/b.tif", Base11__Annotation=[
        "Image name,Ophthalmologic department,Retinopathy grade,Risk of macular edema",
        "a.tif,X,3,1", "b.tif,X,7,0"])  # fmt: skip
    found, problems = converted("messidor", root)
    assert found == {"Base11/a.tif": (("diabetic retinopathy", "diabetic macular edema"), "", "")}
    assert problems == ("Annotation.csv: b.tif has no grade of retinopathy.",)


def test_messidor_2(disk):
    root = disk("i/a.png", "i/b.png", messidor_data=[
        "image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable",
        "a.png,4.0,0,1", "b.png,,,0"])  # fmt: skip
    found, problems = converted("messidor", root)
    assert found == {"i/a.png": (("proliferative diabetic retinopathy",), "", "")}
    assert problems == ("messidor_data.csv: b.png is not gradable.",)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_of_something_else_is_refused_and_nothing_is_written(layout, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError):
        convert(layout, tmp_path / "empty", tmp_path / "m.csv")
    assert not (tmp_path / "m.csv").exists()


def test_unknown_layouts_and_folders_are_refused_by_name(tmp_path):
    with pytest.raises(ManifestError, match="unknown; there are imagefolder, flair"):
        convert("other", tmp_path, tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="is not a folder"):
        convert("odir", tmp_path / "gone", tmp_path / "m.csv")


def test_a_manifest_of_a_layout_has_one_header(disk, tmp_path):
    convert("imagefolder", disk("a_b/x.png"), tmp_path / "m.csv")
    with (tmp_path / "m.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["image", "label", "labels_all", "group", "split", "source"],
            ["data/a_b/x.png", "a b", "a b", "", "", "imagefolder"],
        ]
