"""From a data set on disk to a manifest."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from retizero.data.atomic_write import atomic_write_text
from retizero.data.errors import ManifestError
from retizero.data.layouts import readers
from retizero.data.layouts.entry import Entry

COLUMNS = ("image", "label", "labels_all", "group", "split", "source")
LAYOUTS: Mapping[str, Callable[[Path], Iterator[Entry | str]]] = {
    "imagefolder": readers.imagefolder,
    "flair": readers.flair,
    "odir": readers.odir,
    "rfmid": readers.rfmid,
    "jsiec": readers.jsiec,
    "idrid": readers.idrid,
    "messidor": readers.messidor,
}


def convert(layout: str, folder: Path, out: Path) -> tuple[int, tuple[str, ...]]:
    """Write the manifest of a data set; the photographs stay where they are.

    Args:
        layout: One of ``LAYOUTS``.
        folder: The data set's top folder.
        out: The manifest; its image paths are relative to it where they can be.

    Returns:
        How many photographs it names, and a sentence for each row that it could not take.

    Raises:
        ManifestError: The layout or the folder does not exist, or the folder holds nothing of the layout.
    """
    if layout not in LAYOUTS:
        raise ManifestError(f"The layout {layout!r} is unknown; there are {', '.join(LAYOUTS)}.")
    if not folder.is_dir():
        raise ManifestError(f"{folder} is not a folder.")
    found = list(LAYOUTS[layout](folder.resolve()))
    entries = [each for each in found if isinstance(each, Entry)]
    problems = tuple(each for each in found if isinstance(each, str))
    if not entries:
        raise ManifestError(
            f"{folder} holds no labelled photograph of the layout {layout}."
            + (f" {problems[0]}" if problems else "")
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        image = _relative(entry.image, out.resolve().parent)
        writer.writerow([image, entry.labels[0], ";".join(entry.labels), entry.group, entry.split, layout])
    atomic_write_text(out, text.getvalue())
    return len(entries), problems


def _relative(image: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(image, folder)).as_posix()
    except ValueError:  # another drive
        return image.as_posix()
