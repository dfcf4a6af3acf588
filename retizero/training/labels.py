"""From the labels of a manifest to rows of a target matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retizero.data import ManifestRow
from retizero.knowledge import Catalogue, LabelSet


class LabelMismatch(ValueError):
    """A manifest names a label that the label set does not hold; the message names it."""


def label_matrix(
    rows: Sequence[ManifestRow], labels: LabelSet, catalogue: Catalogue
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return (N, K) 0/1 of every label of each row, and (N,) index of its primary label.

    Further labels of a row that are not in the set are left out; the primary one must be.

    Raises:
        LabelMismatch: A primary label is not in the set.
    """
    column = {id: index for index, id in enumerate(labels.ids)}
    column_of: dict[str, int | None] = {}
    for text in {text for row in rows for text in row.labels}:
        found = catalogue.resolve(text).id
        column_of[text] = column.get(found) if found else None
    matrix = np.zeros((len(rows), len(labels)), np.float32)
    primary = np.zeros(len(rows), np.int64)
    for index, row in enumerate(rows):
        first = column_of[row.label]
        if first is None:
            raise LabelMismatch(f"Row {row.row}: {row.label!r} is not in the label set {labels.name}.")
        primary[index] = first
        for text in row.labels:
            if (place := column_of[text]) is not None:
                matrix[index, place] = 1
    return matrix, primary
