"""How each public data set says what its photographs show: one function each, from a folder to entries.

A function yields an ``Entry``, or a sentence about a row that cannot be used.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from retizero.data.errors import ManifestError
from retizero.data.layouts.entry import IMAGE_SUFFIXES, Entry, Images, names, split_of, tables

Found = Iterator[Entry | str]

_ODIR_FLAGS = {
    "N": "normal fundus",
    "D": "diabetic retinopathy",
    "G": "glaucoma",
    "C": "cataract",
    "A": "age-related macular degeneration",
    "H": "hypertensive retinopathy",
    "M": "pathologic myopia",
}
_NOT_DISEASES = {"lens dust", "image offset", "low image quality", "no fundus image"}


def imagefolder(folder: Path) -> Found:
    """``[split/]label/photograph``, as torchvision's ImageFolder has it; underscores stand for spaces."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        parts = path.relative_to(folder).parts
        if len(parts) < 2:
            yield f"{path.name} lies in no folder that names its label."
            continue
        yield Entry(path, (parts[-2].replace("_", " "),), split=split_of(parts[0]) if len(parts) > 2 else "")


def flair(folder: Path) -> Found:
    """FLAIR's tables: ``image`` (path below the data root) and ``categories`` (a Python list of names)."""
    for table_path, table in tables(folder, ("image", "categories")):
        for row in table.to_dict("records"):
            image = folder / row["image"].replace("\\", "/")
            try:
                categories = [str(name) for name in ast.literal_eval(row["categories"])]
            except (ValueError, SyntaxError):
                categories = [row["categories"].strip("[]'\" ")]
            labels = tuple(names("flair").get(name, name) for name in categories if name)
            if not image.is_file():
                yield f"{table_path.name}: {row['image']} does not exist."
            elif not labels:
                yield f"{table_path.name}: {row['image']} has no category."
            else:
                yield Entry(image, labels, split=split_of(table_path.stem))


def odir(folder: Path) -> Found:
    """ODIR-5K: one row per patient, keywords per eye; the patient's flags where an eye has none."""
    images = Images(folder)
    sides = ("Left", "Right")
    seen: set[Path] = set()
    for table_path, table in tables(folder, ("ID", "Left-Fundus", "Right-Fundus")):
        for row in table.to_dict("records"):
            for side in sides:
                name = row[f"{side}-Fundus"].strip()
                image = images.find(name, split_of(table_path.stem))
                if image is None:
                    yield f"Patient {row['ID']}: {name} does not exist."
                    continue
                if image in seen:  # the Kaggle edition repeats a patient's row for the other eye
                    continue
                seen.add(image)
                keywords = re.split(r"[,，;]", row.get(f"{side}-Diagnostic Keywords", ""))
                labels = [word.strip() for word in keywords if word.strip()]
                labels = [word for word in labels if word.lower() not in _NOT_DISEASES]
                labels = labels or [text for flag, text in _ODIR_FLAGS.items() if row.get(flag) == "1"]
                if labels:
                    yield Entry(image, tuple(labels), f"odir_{row['ID']}", images.split(image))
                else:
                    yield f"Patient {row['ID']}: {name} has no diagnosis."


def rfmid(folder: Path) -> Found:
    """RFMiD: a table with one 0/1 column per code; no code and no risk is a normal fundus."""
    images = Images(folder)
    for table_path, table in tables(folder, ("ID", "Disease_Risk")):
        split = split_of(table_path.stem)
        codes = [column for column in table.columns if column in names("rfmid")]
        for row in table.to_dict("records"):
            image = images.find(row["ID"], split)
            labels = tuple(names("rfmid")[code] for code in codes if row[code] == "1")
            if image is None:
                yield f"{table_path.name}: photograph {row['ID']} does not exist."
            elif labels or row["Disease_Risk"] == "0":
                yield Entry(image, labels or ("normal fundus",), split=split)
            else:
                yield f"{table_path.name}: photograph {row['ID']} is at risk of no named disease."


def jsiec(folder: Path) -> Found:
    """JSIEC-1000: one folder per class, numbered such as ``1.0.DR2``."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        number = re.match(r"\d+(\.\d+)?", path.parent.name)
        if number is None or number[0] not in names("jsiec"):
            yield f"{path.name} lies in {path.parent.name}, which is no class of JSIEC."
        else:
            yield Entry(path, (names("jsiec")[number[0]],))


def idrid(folder: Path) -> Found:
    """IDRiD disease grading: ``Image name``, ``Retinopathy grade`` and ``Risk of macular edema``."""
    yield from _graded(folder, "Image name", "Retinopathy grade", "Risk of macular edema", "dr_grade")


def messidor(folder: Path) -> Found:
    """MESSIDOR's annotation tables, or the adjudicated grades of MESSIDOR-2 (``image_id``)."""
    try:
        next(tables(folder, ("image_id", "adjudicated_dr_grade")))
    except ManifestError:
        grade, oedema = "Retinopathy grade", "Risk of macular edema"
        yield from _graded(folder, "Image name", grade, oedema, "messidor_grade")
        return
    yield from _graded(folder, "image_id", "adjudicated_dr_grade", "adjudicated_dme", "dr_grade")


def _graded(folder: Path, image_column: str, grade_column: str, oedema_column: str, grades: str) -> Found:
    """Tables of a retinopathy grade and a macular oedema grade per photograph."""
    images = Images(folder)
    for table_path, table in tables(folder, (image_column, grade_column)):
        for row in table.to_dict("records"):
            name = row[image_column].strip()
            grade = row[grade_column].strip().removesuffix(".0")
            image = images.find(name, split_of(table_path.stem))
            if not name:
                continue
            if image is None:
                yield f"{table_path.name}: {name} does not exist."
            elif row.get("adjudicated_gradable", "1").strip() in ("0", "0.0"):
                yield f"{table_path.name}: {name} is not gradable."
            elif grade not in names(grades):
                yield f"{table_path.name}: {name} has no grade of retinopathy."
            else:
                oedema = row.get(oedema_column, "").strip().removesuffix(".0") in ("1", "2")
                labels = (names(grades)[grade], *(("diabetic macular edema",) if oedema else ()))
                yield Entry(image, labels, split=split_of(table_path.stem))
