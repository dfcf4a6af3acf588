"""Embed a large manifest in shards: bounded memory, and an interrupted run continues where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retizero.data import Manifest, ManifestRow
from retizero.data.atomic_write import atomic_write, atomic_write_text
from retizero.retrieval.embedding import ImageEncoder, embed_rows
from retizero.retrieval.errors import GalleryError

PLAN = "embedding.json"
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
) -> dict[str, Any]:
    """Embed every row of a manifest into a folder.

    Shard i holds rows i * shard_size onwards as ``vectors-i.npy`` (n, D), unit norm, and ``records-i.json``
    with n records and the sentences of rows that could not be read. ``embedding.json`` states the plan: rows,
    model, precision. The vectors are written last, so a shard is complete when they are there.

    Args:
        manifest: What to embed.
        encoder: The model.
        identity: The model's identity, plain values with ``embed_dim``.
        out: Folder; missing or empty, unless ``resume``.
        resume: Keep shards that are complete; the plan must be the same.
        precision: Of the stored vectors.
        shard_size: Rows per shard.

    Returns:
        The plan with ``n`` vectors written and the ``problems`` of all shards.

    Raises:
        GalleryError: The folder holds something else, or was begun with another plan.
    """
    if shard_size < 1:
        raise GalleryError("A shard needs at least one row.")
    plan = {
        "rows": _fingerprint(manifest.rows),
        "n_rows": len(manifest.rows),
        "shard_size": shard_size,
        "precision": precision,
        "model": identity,
    }
    _begin(out, plan, resume)
    total, problems = 0, list(manifest.problems)
    for number, start in enumerate(range(0, len(manifest.rows), shard_size)):
        vectors_file, records_file = out / f"vectors-{number:05d}.npy", out / f"records-{number:05d}.json"
        if not vectors_file.exists():
            title = f"Shard {number + 1} of {-(-len(manifest.rows) // shard_size)}"
            embedded = embed_rows(manifest.rows[start : start + shard_size], encoder, title)
            content = {
                "records": [_record(row) for row in embedded.rows],
                "problems": list(embedded.problems),
            }
            atomic_write_text(records_file, json.dumps(content, ensure_ascii=False) + "\n")
            vectors = embedded.vectors.reshape(len(embedded.rows), int(identity["embed_dim"]))
            _write_vectors(vectors_file, vectors.astype(precision))
        done = json.loads(records_file.read_text(encoding="utf-8"))
        total += len(done["records"])
        problems += done["problems"]
    return {**plan, "n": total, "problems": problems}


def read_shards(
    folder: Path,
) -> tuple[NDArray[np.floating[Any]], tuple[tuple[str, int], ...], tuple[str, ...]]:
    """Read what ``embed_to_shards`` wrote.

    Returns:
        Vectors (N, D), the name and row number of each, and a sentence for each row that could not be read.
    """
    parts, records, problems = [], [], []
    for vectors_file in sorted(folder.glob("vectors-*.npy")):
        parts.append(np.load(vectors_file, allow_pickle=False))
        records_file = vectors_file.with_name(vectors_file.stem.replace("vectors", "records") + ".json")
        done = json.loads(records_file.read_text(encoding="utf-8"))
        records += [(str(each["id"]), int(each["row"])) for each in done["records"]]
        problems += done["problems"]
    return np.concatenate(parts), tuple(records), tuple(problems)


def _write_vectors(file: Path, vectors: NDArray[np.floating[Any]]) -> None:
    atomic_write(file, lambda out: np.lib.format.write_array(out, vectors, allow_pickle=False))


def _begin(out: Path, plan: dict[str, Any], resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise GalleryError(f"{out} is a file; choose a folder.")
    stated = out / PLAN
    if stated.exists():
        if not resume:
            raise GalleryError(
                f"{out} already holds embeddings; add --resume to continue, or choose another folder."
            )
        before = json.loads(stated.read_text(encoding="utf-8"))
        differing = [name for name, value in plan.items() if before.get(name) != value]
        if differing:
            raise GalleryError(
                f"{out} was begun with another {' and '.join(differing)}; choose another folder."
            )
    elif out.exists() and any(out.iterdir()):
        raise GalleryError(f"{out} is not empty; choose another folder.")
    else:
        atomic_write_text(stated, json.dumps(plan, indent=2, ensure_ascii=False) + "\n")


def _record(row: ManifestRow) -> dict[str, Any]:
    return {
        "id": row.name,
        "image": row.name,
        "label": row.label_text,
        "group": row.group,
        "source": row.source,
        "row": row.row,
    }


def _fingerprint(rows: Sequence[ManifestRow]) -> str:
    """SHA-256 over what the rows say, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(_record(row), sort_keys=True).encode())
    return digest.hexdigest()
