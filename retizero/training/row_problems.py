"""Rows of a manifest that cannot be trained on: each told in a sentence, the rest used, or all refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from retizero.data import Manifest, ManifestError


def without_repeats(manifest: Manifest) -> Manifest:
    """Leave out rows whose photograph is listed before; each gets a sentence in ``problems``."""
    first: dict[str, int] = {}
    kept, repeated = [], []
    for row in manifest.rows:
        path = str(row.image.resolve())
        if path in first:
            repeated.append(f"Row {row.row}: {row.name} is listed before, in row {first[path]}.")
        else:
            first[path] = row.row
            kept.append(row)
    return replace(manifest, rows=tuple(kept), problems=(*manifest.problems, *repeated))


def tell_problems(problems: Sequence[str], strict: bool, tell: Callable[[str], None]) -> None:
    """Say every problem; with ``strict`` none is allowed.

    Raises:
        ManifestError: There are problems and ``strict`` holds.
    """
    for problem in problems:
        tell(problem)
    if problems and strict:
        raise ManifestError(
            f"{len(problems)} rows cannot be used, told above; correct them, or leave out --strict."
        )
