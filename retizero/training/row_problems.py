"""Rows of a manifest that cannot be trained on: each told in a sentence, the rest used, or all refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from retizero.data import ImageReadError, Manifest, ManifestError, read_image


class Readable(Protocol):
    """A photograph that is read when asked."""

    def read(self) -> object:
        """Decode it, or raise ``ImageReadError``."""


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


def only_readable(manifest: Manifest) -> Manifest:
    """Leave out rows whose photograph cannot be read; each gets a sentence in ``problems``."""
    found = unreadable([row.image for row in manifest.rows])
    kept = tuple(row for row, problem in zip(manifest.rows, found, strict=True) if problem is None)
    told = [f"Row {row.row}: {problem}" for row, problem in zip(manifest.rows, found, strict=True) if problem]
    return replace(manifest, rows=kept, problems=(*manifest.problems, *told))


def unreadable(pictures: Sequence[Path | Readable]) -> list[str | None]:
    """Return for every photograph what is wrong with it, or None; several are decoded at once."""

    def problem(picture: Path | Readable) -> str | None:
        try:
            read_image(picture) if isinstance(picture, Path) else picture.read()
        except ImageReadError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        done = pool.map(problem, pictures)
        return list(tqdm(done, "photographs", len(pictures), mininterval=5, leave=False))


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
