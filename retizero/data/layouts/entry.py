"""One photograph of a data set, and what readers share: tables, names, files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import pandas as pd
import yaml

from retizero.data.errors import ManifestError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".ppm", ".dcm")
TABLE_SUFFIXES = (".csv", ".xlsx", ".xls")


@dataclass(frozen=True)
class Entry:
    """A photograph: its file, labels with the primary one first, patient and split (empty where unknown)."""

    image: Path
    labels: tuple[str, ...]
    group: str = ""
    split: str = ""


def split_of(name: str) -> str:
    """``train``, ``val`` or ``test`` from the name of a folder or file; empty where it says none."""
    text = name.lower()
    for split, words in {"train": ("train",), "val": ("val", "evaluation"), "test": ("test",)}.items():
        if any(word in text for word in words):
            return split
    return ""


@cache
def names(data_set: str) -> Mapping[str, str]:
    """What a data set's codes are called in the catalogue."""
    text = resources.files("retizero.data.layouts").joinpath("names.yaml").read_text(encoding="utf-8")
    found: dict[str, str] = yaml.safe_load(text)[data_set]
    return found


def tables(folder: Path, columns: tuple[str, ...]) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Tables below a folder that have all the columns, as text with trimmed headers, in the order of names.

    Raises:
        ManifestError: None has them.
    """
    found = False
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in TABLE_SUFFIXES):
        table = _read(path)
        if table is not None and set(columns) <= set(table.columns):
            found = True
            yield path, table
    if not found:
        raise ManifestError(f"{folder} holds no table with the columns {', '.join(columns)}.")


def _read(path: Path) -> pd.DataFrame | None:
    try:
        if path.suffix.lower() == ".csv":
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        else:
            table = pd.read_excel(path, dtype=str, keep_default_na=False)
    except ImportError:
        raise ManifestError(f"{path} is an Excel file; save it as CSV beside it and remove it.") from None
    except (ValueError, OSError, pd.errors.ParserError):
        return None
    return table.rename(columns=lambda name: str(name).strip())


class Images:
    """Photographs below a folder, found by name with or without suffix, whatever folder they lie in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_name: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                for key in (path.name.lower(), path.stem.lower()):
                    self._by_name.setdefault(key, []).append(path)

    def find(self, name: str, near: str = "") -> Path | None:
        """The photograph of that name; of several, the one whose folder's name says the same split."""
        found = self._by_name.get(Path(name.replace("\\", "/")).name.lower(), [])
        same = [path for path in found if self.split(path) == near] if near else []
        return next(iter(same or found), None)

    def split(self, image: Path) -> str:
        """Which split the folders of a photograph say it belongs to."""
        return split_of(str(image.parent.relative_to(self._folder)))
