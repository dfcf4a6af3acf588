"""CASES.csv: the cases of a study with their images and reference standard, every bad row named at once."""

import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from reader_study.errors import DesignError
from reader_study.scoring import name_or_id
from retizero.knowledge import Catalogue, LabelSet, load_catalogue

REQUIRED = ("case_id", "image", "truth")
KNOWN = (*REQUIRED, "rare", "site", "practice", "established_by")
YES_NO = {"": False, "0": False, "no": False, "false": False, "1": True, "yes": True, "true": True}


@dataclass(frozen=True)
class StudyCase:
    """One case to import: ``truths`` are catalogue ids (or labels of the set), the primary one first."""

    case_id: str
    image: Path
    truths: tuple[str, ...]
    rare: bool = False
    site: str = ""
    practice: bool = False
    established_by: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def problems(self, *, truth_needed: bool = True) -> list[str]:
        """What keeps this case out of a study, in words."""
        found = []
        if not re.fullmatch(r"[\w.-]{1,64}", self.case_id):
            found.append("case_id needs 1 to 64 letters, digits or . _ - without spaces")
        if not self.truths and (truth_needed or self.practice):
            found.append("truth is empty")
        if len(set(self.truths)) < len(self.truths):
            found.append("truth names the same diagnosis twice")
        if len(self.site) > 64:
            found.append("site has more than 64 characters")
        if not self.image.is_file():
            found.append(f"image {self.image.name!r} is not there")
        elif self.image.stat().st_size == 0:
            found.append(f"image {self.image.name!r} is empty")
        return found


def image_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_unchanged(path: Path, sha256: str) -> bool:
    """Whether a file can be read and has this SHA-256; it is read again when its change time is another."""
    try:
        found = path.stat()
        return _sha256_then(path, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns) == sha256
    except OSError:
        return False


@lru_cache(maxsize=10_000)
def _sha256_then(path: Path, *_stamp: int) -> str:
    return image_sha256(path)


def check_cases(cases: Sequence[StudyCase], rows: Sequence[str] = (), *, truth_needed: bool = True) -> None:
    """Refuse a list with any bad case.

    Args:
        cases: what to check.
        rows: how to name each case in a message (``row 3``); ``case <id>`` where empty.
        truth_needed: whether each case must bring its reference standard; practice cases always do.

    Raises:
        DesignError: with one problem a bad case, all of them.
    """
    problems, seen = list[str](), dict[str, str]()
    for index, case in enumerate(cases):
        row = rows[index] if rows else f"case {case.case_id!r}"
        found = case.problems(truth_needed=truth_needed)
        if case.case_id.casefold() in seen:
            found.append(f"case_id {case.case_id!r} is already in {seen[case.case_id.casefold()]}")
        seen.setdefault(case.case_id.casefold(), row)
        problems.extend(f"{row}: {problem}." for problem in found)
    if problems:
        raise DesignError("The cases cannot be used.", problems)


def read_cases(path: Path, labels: LabelSet, *, truth_needed: bool = True) -> tuple[StudyCase, ...]:
    """Read a case list; image paths are relative to it, several correct diagnoses are parted by ``;``.

    Where a panel votes for the reference standard (not ``truth_needed``), the column truth may be missing.

    Raises:
        DesignError: the file or its header is wrong, or with every bad row and why.
    """
    catalogue = load_catalogue()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            lines = [(f"row {reader.line_num}", row) for row in reader]
    except OSError as error:
        raise DesignError(f"The case list {path} cannot be read: {error.strerror}.") from error
    except (csv.Error, UnicodeDecodeError):
        raise DesignError(f"The case list {path} is not a CSV file in UTF-8.") from None
    required = [name for name in REQUIRED if truth_needed or name != "truth"]
    if missing := [name for name in required if name not in columns]:
        raise DesignError(f"The case list {path.name} lacks the columns {', '.join(missing)}.")
    if not lines:
        raise DesignError(f"The case list {path.name} has no rows.")
    cases, problems = list[StudyCase](), list[str]()
    for row, cells in lines:
        case, found = _case(cells, path.parent, catalogue, labels)
        cases.append(case)
        problems.extend(f"{row}: {problem}." for problem in found)
    try:
        check_cases(cases, [row for row, _ in lines], truth_needed=truth_needed)
    except DesignError as error:
        problems.extend(error.problems)
    if problems:
        raise DesignError(f"The case list {path.name} cannot be used.", sorted(problems, key=_row_number))
    return tuple(cases)


def _row_number(problem: str) -> int:
    return int(problem.split(":")[0].removeprefix("row "))


def _case(
    cells: Mapping[str | None, str | list[str] | None], folder: Path, catalogue: Catalogue, labels: LabelSet
) -> tuple[StudyCase, list[str]]:
    problems = list[str]()
    if None in cells:
        problems.append("has more cells than the header")
    text = {
        name: (value or "").strip() for name, value in cells.items() if name and not isinstance(value, list)
    }
    if any(not value.isprintable() for value in text.values()):
        problems.append("holds a control character")
    truths = []
    for name in filter(None, (part.strip() for part in text.get("truth", "").split(";"))):
        found = truth_named(name, catalogue, labels)
        if found is None:
            near = ", ".join(catalogue.resolve(name).candidates[:3])
            problems.append(
                f"truth {name!r} is not in the catalogue" + (f" (did you mean {near}?)" if near else "")
            )
        truths.append(found or name)
    flags = {}
    for flag in ("rare", "practice"):
        value = text.get(flag, "").casefold()
        if value not in YES_NO:
            problems.append(f"{flag} {value!r} is not 0 or 1")
        flags[flag] = YES_NO.get(value, False)
    case = StudyCase(
        case_id=text["case_id"],
        image=(folder / text["image"]).resolve() if text["image"] else folder / "(no image named)",
        truths=tuple(truths),
        rare=flags["rare"],
        practice=flags["practice"],
        site=text.get("site", ""),
        established_by=text.get("established_by", "")[:200],
        extra={name: value for name, value in text.items() if name not in KNOWN and value},
    )
    return case, problems


def truth_named(name: str, catalogue: Catalogue, labels: LabelSet) -> str | None:
    """The id that a reference standard names: a label of the set, else an entry of the catalogue."""
    for label_id, label in zip(labels.ids, labels.names, strict=True):
        if name in (label_id, label):
            return label_id
    return name_or_id(catalogue, name)
