"""Move patients from one split of a manifest to another, none of them divided."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import defaultdict
from pathlib import Path

from retizero.data.atomic_write import atomic_write
from retizero.data.errors import ManifestError
from retizero.data.manifest import manifest_table, read_manifest


def move_groups(
    manifest: Path,
    leave: str,
    join: str,
    share: float,
    out: Path,
    *,
    source: str | None = None,
    seed: int = 0,
) -> int:
    """Write a copy of a manifest in which a share of one split's groups belongs to another split.

    Each label of the split gives the same share of its groups, rounded up; which ones depends on ``seed`` and
    their names only.

    Args:
        manifest: CSV with a column ``split``.
        leave: The split that gives.
        join: The split that takes.
        share: Share of the groups that are moved, above 0 and at most 1.
        out: The copy; its images are absolute paths, its other columns those of the manifest.
        source: Only groups with a photograph of this source leave, wholly; of any where left out.
        seed: Another one moves other groups.

    Returns:
        How many photographs were moved.

    Raises:
        ManifestError: The manifest cannot be used, has no such split, the share is no such number, or the
            copy would have no name of its own.
    """
    if not join.strip():
        raise ManifestError("The split that groups join needs a name.")
    if out.is_dir():
        raise ManifestError(f"{out} is a folder; name a file for the copy.")
    if out.resolve() == manifest.resolve():
        raise ManifestError(f"{out} is the manifest itself; name another file for the copy.")
    if not 0 < share <= 1:
        raise ManifestError(f"The share of groups to move lies above 0 and is at most 1; {share:g} does not.")
    if leave.strip().casefold() == join.strip().casefold():
        raise ManifestError("Groups are moved from one split to another, not to the same.")
    of_split = read_manifest(manifest).where(leave)
    rows = of_split.where(source=source).rows
    groups: defaultdict[str, dict[str, None]] = defaultdict(dict)
    taken: set[str] = set()
    for row in rows:
        if row.group not in taken:
            groups[row.label][row.group] = None
            taken.add(row.group)
    moved: set[str] = set()
    for of_label in groups.values():
        drawn = sorted(of_label, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
        moved.update(drawn[: math.ceil(share * len(drawn))])
    lines = {row.row: row for row in of_split if row.group in moved}
    columns, table = manifest_table(manifest)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for line, values in table:
        image = (manifest.resolve().parent / values["image"].strip()).as_posix()
        writer.writerow({**values, "image": image, **({"split": join.strip()} if line in lines else {})})
    atomic_write(out, lambda file: file.write(text.getvalue().encode()))
    return len(lines)
