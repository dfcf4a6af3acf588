"""Manifests: a CSV file that names photographs, what they show, and whose they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from retizero.data.errors import ManifestError

SEPARATOR = ";"


@dataclass(frozen=True)
class ManifestRow:
    """One photograph of a manifest.

    Attributes:
        image: Where the file lies, an absolute path.
        name: The ``image`` column as written.
        label: The primary label, empty where there is none.
        labels: All labels, the primary one first.
        group: The patient; photographs without one are a group of their own.
        source: Where the photograph comes from, empty where not stated.
        split: ``train``, ``val``, ``test``, or empty where not stated.
        row: Line of the row in the file as a spreadsheet counts it; the header is 1.
        label_text: The ``label`` column as written.
        site: The hospital or screening place, empty where not stated.
    """

    image: Path
    name: str
    label: str
    labels: tuple[str, ...]
    group: str
    source: str
    split: str
    row: int
    label_text: str = ""
    site: str = ""


@dataclass(frozen=True)
class Manifest:
    """The rows of a manifest that can be used, and a sentence for each that cannot."""

    path: Path
    rows: tuple[ManifestRow, ...]
    problems: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[ManifestRow]:
        return iter(self.rows)

    def where(self, split: str | None = None, source: str | None = None) -> Manifest:
        """Return the rows of one split, of one source, or of both.

        Raises:
            ManifestError: No row is left.
        """
        wanted = None if split is None else split.lower()
        rows = tuple(row for row in self.rows if wanted in (None, row.split) and source in (None, row.source))
        if not rows:
            asked = " and ".join(
                f"{column} {value!r}"
                for column, value in (("split", split), ("source", source))
                if value is not None
            )
            raise ManifestError(f"{self.path} has no row with {asked}.")
        return Manifest(self.path, rows, self.problems)


def read_manifest(path: str | Path, labels_required: bool = True) -> Manifest:
    """Read a manifest.

    Columns: ``image`` (a path, relative to the manifest), ``label`` (``;`` separates several, the first is
    the primary one), and optionally ``labels_all`` (further labels), ``group`` (patient), ``source``,
    ``site`` and ``split`` (small or capital letters); other columns are ignored. UTF-8 with or without a byte
    order mark, any line ending.

    Args:
        path: The CSV file.
        labels_required: Whether a missing ``label`` column is an error and an empty label a problem.

    Returns:
        The rows that can be used. A row without an image, whose file is missing, or which lacks its label
        is left out and described in ``problems`` with its row number.

    Raises:
        ManifestError: The file cannot be read, has no rows, or lacks a column.
    """
    path = Path(path)
    folder = path.resolve().parent
    _, table = manifest_table(path, ("image", *(("label",) if labels_required else ())))
    rows: list[ManifestRow] = []
    problems: list[str] = []
    for line, values in table:
        row = _row(folder, line, values, labels_required)
        if isinstance(row, str):
            problems.append(row)
        else:
            rows.append(row)
    return Manifest(path, tuple(rows), tuple(problems))


def manifest_table(
    path: Path, required: Sequence[str] = ("image",)
) -> tuple[tuple[str, ...], tuple[tuple[int, dict[str, str]], ...]]:
    """Read a manifest's columns, in lower case, and its rows with the numbers that a spreadsheet shows.

    Raises:
        ManifestError: The file cannot be read, has no rows, or lacks a required column.
    """
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), restkey="", restval="")
    try:
        columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        for column in required:
            if column not in columns:
                raise ManifestError(f"{path} has no column {column!r}; it has {_listed(columns)}.")
        for column in set(columns) & {"image", "label", "labels_all", "group", "source", "site", "split"}:
            if columns.count(column) > 1:
                raise ManifestError(f"{path} has the column {column!r} twice.")
        reader.fieldnames = columns
        rows = tuple(_numbered(reader))
    except csv.Error as error:
        raise ManifestError(f"{path} is not a CSV file that can be read ({error}).") from error
    if not rows:
        raise ManifestError(f"{path} has no rows below its header.")
    return tuple(columns), rows


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise ManifestError(f"{path} is a folder; a manifest is a CSV file.")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ManifestError(f"{path} does not exist.") from None
    except OSError as error:
        raise ManifestError(f"{path} cannot be opened.") from error
    except UnicodeDecodeError:
        raise ManifestError(f"{path} is not UTF-8 text; save it as CSV in UTF-8.") from None
    if "\x00" in text:
        raise ManifestError(f"{path} is not a text file; a manifest is a CSV file.")
    return text


def _numbered(reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the number a spreadsheet shows for them: header 1, one row each, blank lines not counted."""
    for number, values in enumerate(reader, start=2):
        yield number, {key: value.strip() for key, value in values.items() if isinstance(value, str)}


def _row(folder: Path, number: int, values: dict[str, str], labels_required: bool) -> ManifestRow | str:
    name = values.get("image", "")
    if not name:
        return f"Row {number}: the image column is empty."
    image = locate_image(folder, name)
    if image is None:
        return f"Row {number}: {name} does not exist."
    labels = split_labels(values.get("label", ""))
    if not labels and labels_required:
        return f"Row {number}: the label column is empty."
    every = tuple(dict.fromkeys([*labels, *split_labels(values.get("labels_all", ""))]))
    return ManifestRow(
        image=image,
        name=name,
        label=every[0] if every else "",
        labels=every,
        group=values.get("group", "") or str(image.resolve()),
        source=values.get("source", ""),
        split=values.get("split", "").lower(),
        row=number,
        label_text=values.get("label", ""),
        site=values.get("site", ""),
    )


def locate_image(folder: Path, name: str) -> Path | None:
    """Return where a photograph of a manifest in ``folder`` lies, or None; back slashes are understood."""
    for candidate in dict.fromkeys((name, name.replace("\\", "/"))):
        try:
            path = folder / candidate
            if path.is_file():
                return path
        except (OSError, ValueError):
            continue
    return None


def split_labels(text: str) -> tuple[str, ...]:
    """Return the labels of a cell, ``;`` between them."""
    return tuple(part.strip() for part in text.split(SEPARATOR) if part.strip())


def _listed(columns: list[str]) -> str:
    return ", ".join(repr(column) for column in columns if column) or "none"
