"""Embed a large manifest in shards: bounded memory, several processes, and a killed run continues."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retizero.data import Manifest, ManifestRow
from retizero.data.atomic_write import atomic_write, atomic_write_text
from retizero.retrieval.embedding import ImageEncoder, embed_rows
from retizero.retrieval.errors import GalleryError
from retizero.retrieval.ranks import Ranks
from retizero.retrieval.records import Record

PLAN, PROBLEMS = "embedding.json", "problems.csv"
SHARD_SIZE = 4_096
Precision = Literal["float16", "float32"]


def embed_to_shards(
    manifest: Manifest,
    encoder: ImageEncoder,
    identity: dict[str, Any],
    out: Path,
    *,
    resume: bool = False,
    precision: Precision = "float32",
    shard_size: int = SHARD_SIZE,
    ranks: Ranks | None = None,
) -> dict[str, Any]:
    """Embed every row of a manifest into a folder.

    Shard i holds rows i * shard_size onwards as ``vectors-i.npy`` (n, D), unit norm, and ``records-i.json``
    with n records and a sentence for each row that could not be read. ``embedding.json`` states the plan:
    rows, model, precision. The vectors are written last, so a shard is complete when they are there. In the
    end ``problems.csv`` lists every row without a vector. Each process embeds every ``ranks.size``-th shard.

    Args:
        manifest: What to embed.
        encoder: The model.
        identity: The model's identity, plain values with ``embed_dim``.
        out: Folder; missing or empty, unless ``resume``; the same for all processes.
        resume: Keep shards that are complete; the plan must be the same.
        precision: Of the stored vectors.
        shard_size: Rows per shard.
        ranks: This process among all; alone when None.

    Returns:
        The plan with ``n`` vectors written and the ``problems`` of all shards, for every process the same.

    Raises:
        GalleryError: The folder holds something else, or was begun with another plan.
    """
    if shard_size < 1:
        raise GalleryError("A shard needs at least one row.")
    ranks = ranks or Ranks()
    plan = {
        "rows": _fingerprint(manifest.rows),
        "n_rows": len(manifest.rows),
        "shard_size": shard_size,
        "precision": precision,
        "model": identity,
    }
    ranks.first_decides(lambda: _begin(out, plan, resume))
    shards = range(-(-len(manifest.rows) // shard_size))
    for number in shards[ranks.rank :: ranks.size]:
        if not vectors_file(out, number).exists():
            rows = manifest.rows[number * shard_size : (number + 1) * shard_size]
            title = f"Shard {number + 1} of {len(shards)}"
            _embed_shard(out, number, rows, encoder, int(identity["embed_dim"]), precision, title)
    return ranks.first_decides(lambda: {**plan, **_finish(out, manifest, shards)})


@dataclass(frozen=True)
class Embeddings:
    """What ``embed_to_shards`` wrote.

    Attributes:
        vectors: (N, D) unit norm.
        records: Of the N photographs; ``path`` is relative to the folder of the shards.
        rows: Their row numbers in the manifest.
        problems: A sentence for each row that could not be read.
        identity: The model that made the vectors.
    """

    vectors: NDArray[np.floating[Any]]
    records: tuple[Record, ...]
    rows: tuple[int, ...]
    problems: tuple[str, ...]
    identity: dict[str, Any]


def read_shards(out: Path) -> Embeddings:
    """Read a folder of shards.

    Raises:
        GalleryError: The folder holds no embeddings, or they are not finished.
    """
    plan = _plan(out)
    shards = range(-(-plan["n_rows"] // plan["shard_size"]))
    if missing := [number for number in shards if not vectors_file(out, number).exists()]:
        raise GalleryError(
            f"The embeddings in {out} are not finished: shard {missing[0] + 1} of {len(shards)} is missing; "
            "run retizero embed with --resume."
        )
    contents = [_records(out, number) for number in shards]
    records = [record for content in contents for record in content["records"]]
    return Embeddings(
        vectors=np.concatenate([np.load(vectors_file(out, each), allow_pickle=False) for each in shards]),
        records=tuple(Record(**{k: v for k, v in record.items() if k != "row"}) for record in records),
        rows=tuple(int(record["row"]) for record in records),
        problems=tuple(problem for content in contents for problem in content["problems"]),
        identity=plan["model"],
    )


def record_of(row: ManifestRow) -> Record:
    """What a gallery keeps of a manifest's row, without the file's place."""
    return Record(
        id=row.name,
        image=row.name,
        label=row.label_text,
        group=row.group,
        source=row.source,
        synthetic="synthetic" in row.source.lower(),
        site=row.site,
    )


def vectors_file(out: Path, number: int) -> Path:
    """Where the vectors of a shard lie."""
    return out / f"vectors-{number:05d}.npy"


def _embed_shard(
    out: Path,
    number: int,
    rows: Sequence[ManifestRow],
    encoder: ImageEncoder,
    dimension: int,
    precision: Precision,
    title: str,
) -> None:
    embedded = embed_rows(rows, encoder, title)
    content = {
        "records": [
            {**vars(record_of(row)), "path": os.path.relpath(row.image, out), "row": row.row}
            for row in embedded.rows
        ],
        "problems": list(embedded.problems),
    }
    atomic_write_text(out / f"records-{number:05d}.json", json.dumps(content, ensure_ascii=False) + "\n")
    vectors = embedded.vectors.reshape(len(embedded.rows), dimension).astype(precision)
    atomic_write(
        vectors_file(out, number),
        lambda file: np.lib.format.write_array(file, vectors, allow_pickle=False),
    )


def _finish(out: Path, manifest: Manifest, shards: range) -> dict[str, Any]:
    """Count what was written and list what was not."""
    total, problems = 0, list(manifest.problems)
    for number in shards:
        done = _records(out, number)
        total += len(done["records"])
        problems += done["problems"]
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(("row", "problem"))
    for problem in problems:
        row, _, what = problem.removeprefix("Row ").partition(": ")
        writer.writerow((row, what))
    atomic_write_text(out / PROBLEMS, table.getvalue())
    return {"n": total, "problems": problems}


def _begin(out: Path, plan: dict[str, Any], resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise GalleryError(f"{out} is a file; choose a folder.")
    if (out / PLAN).exists():
        if not resume:
            raise GalleryError(
                f"{out} already holds embeddings; add --resume to continue, or choose another folder."
            )
        before = _plan(out)
        differing = [name for name, value in plan.items() if before.get(name) != value]
        if differing:
            raise GalleryError(
                f"{out} was begun with another {' and '.join(differing)}; choose another folder."
            )
        for left in out.glob(".*.tmp"):  # of writers that were killed
            left.unlink(missing_ok=True)
    elif out.exists() and any(out.iterdir()):
        raise GalleryError(f"{out} is not empty; choose another folder.")
    else:
        atomic_write_text(out / PLAN, json.dumps(plan, indent=2, ensure_ascii=False) + "\n")


def _plan(out: Path) -> dict[str, Any]:
    try:
        plan: dict[str, Any] = json.loads((out / PLAN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GalleryError(f"{out} holds no embeddings: it has no {PLAN}.") from None
    except ValueError as error:
        raise GalleryError(f"The plan {out / PLAN} is damaged; choose another folder.") from error
    return plan


def _records(out: Path, number: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / f"records-{number:05d}.json").read_text(encoding="utf-8"))
    return content


def _fingerprint(rows: Sequence[ManifestRow]) -> str:
    """SHA-256 over what the rows say, in order."""
    digest = hashlib.sha256()
    for row in rows:
        said = {
            "id": row.name,
            "image": row.name,
            "label": row.label_text,
            "group": row.group,
            "source": row.source,
            "row": row.row,
        }
        said |= {"site": row.site} if row.site else {}
        digest.update(json.dumps(said, sort_keys=True).encode())
    return digest.hexdigest()
