"""Pairs from a manifest: one row per photograph and caption, or per photograph with several captions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from retizero.data import ManifestError
from retizero.data.manifest import locate_image, manifest_table, split_labels
from retizero.knowledge import load_catalogue
from retizero.training.pairs.captions import Wording, is_caption_column, written_captions
from retizero.training.pairs.pair import Pair, Pairs, PictureFile


def pairs_of_manifest(path: Path, wording: Wording | None) -> Pairs:
    """Read pairs.

    Columns: ``image`` (a path, relative to the manifest); ``caption`` or ``text``, also numbered
        (``caption_2``) or several lines in one cell; ``label`` and ``labels_all`` (``;`` separates several);
        ``split``. A row without caption gets one from its labels. Rows of one photograph with different
        captions are one pair.

    Args:
        path: CSV file.
        wording: How labels are put into words; None where only the photographs are asked for.

    Returns:
        The pairs, and a sentence with its row for every row that is left out: no image, no such file, no
        caption and no label, the same as a row before, or another split than the photograph had before.

    Raises:
        ManifestError: The file cannot be read, or lacks a column.
    """
    catalogue = load_catalogue()
    columns, rows = manifest_table(path)
    if wording and not any(is_caption_column(column) for column in columns) and "label" not in columns:
        raise ManifestError(f"{path} needs a column caption, text or label beside image.")
    folder = path.resolve().parent
    pairs: dict[Path, Pair] = {}
    first_row: dict[tuple[Path, tuple[str, ...], tuple[str, ...]], int] = {}
    problems: list[str] = []
    worded = 0
    for number, values in rows:
        image = _image(folder, values)
        if isinstance(image, str):
            problems.append(f"Row {number}: {image}")
            continue
        labels = tuple(
            dict.fromkeys(
                [*split_labels(values.get("label", "")), *split_labels(values.get("labels_all", ""))]
            )
        )
        captions = written_captions(values)
        if not captions and labels and wording:
            captions = wording.of(labels, catalogue)
            worded += 1
        if not captions and wording:
            problems.append(f"Row {number}: {values['image']} has no caption and no label.")
            continue
        split = values.get("split", "").lower()
        if image in pairs and split != pairs[image].split:
            before = f"{pairs[image].split!r} in {pairs[image].place.lower()}"
            problems.append(f"Row {number}: {values['image']} is in split {split!r} here and in {before}.")
            continue
        same = first_row.setdefault((image, captions, labels), number)
        if same != number:
            problems.append(f"Row {number}: the same as row {same}.")
        elif image in pairs:
            pairs[image] = pairs[image].also(captions, labels)
        else:
            picture = PictureFile(image, values["image"])
            pairs[image] = Pair(picture, captions, labels, split, f"Row {number}")
    return Pairs(tuple(pairs.values()), tuple(problems), str(path), worded)


def _image(folder: Path, values: Mapping[str, str]) -> Path | str:
    """Return where a row's photograph lies, or what is wrong."""
    name = values.get("image", "")
    if not name:
        return "the image column is empty."
    found = locate_image(folder, name)
    return f"{name} does not exist." if found is None else found.resolve()
