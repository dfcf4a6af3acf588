"""Features of photographs under a frozen image tower, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retizero.data import Manifest, ManifestRow
from retizero.model.image_towers import ImageTower
from retizero.retrieval.shards import embed_to_shards, read_shards
from retizero.serving import Engine
from retizero.serving.tower_encoder import TowerEncoder
from retizero.training.errors import ConfigError

Kind = Literal["embedding", "tower"]
KINDS: tuple[Kind, ...] = ("embedding", "tower")
_SHARD = 256  # photographs; an interrupted run loses at most so many


@dataclass(frozen=True)
class Features:
    """What a frozen tower makes of the rows that can be read.

    Attributes:
        vectors: (N, F) float32; unit norm where they are embeddings.
        rows: N rows.
        problems: A sentence for each row that could not be read.
    """

    vectors: NDArray[np.float32]
    rows: tuple[ManifestRow, ...]
    problems: tuple[str, ...]


def require_kind(tower: ImageTower, kind: Kind) -> None:
    """Make sure that a tower has such features.

    Raises:
        ConfigError: Embeddings are asked for, and the tower has no text side to share an embedding with.
    """
    if kind == "embedding" and tower.encoder is None:
        raise ConfigError(
            f"{tower.identity.id} has no text side, so no joint embedding; set features: tower, with methods "
            "that read no text."
        )


def cached_features(manifest: Manifest, tower: ImageTower, kind: Kind, folder: Path) -> Features:
    """Return features of every row of a manifest; what was computed before is read from disk.

    Args:
        manifest: Photographs; their labels do not matter.
        tower: The frozen tower.
        kind: ``tower``, before the projection; ``embedding``, unit vectors beside the model's texts.
        folder: Where features are kept, one folder for each tower, kind and manifest.

    Raises:
        ConfigError: The tower has no such features.
        GalleryError: The folder cannot be used.
    """
    require_kind(tower, kind)
    width = tower.identity.embed_dim if kind == "embedding" else tower.width
    identity = {**tower.identity.to_dict(), "embed_dim": width, "features": kind}
    out = folder / f"{tower.identity.id}-{kind}-{_key(manifest.rows, identity)}"
    encoder = Engine(tower.encoder) if kind == "embedding" and tower.encoder else TowerEncoder(tower)
    embed_to_shards(manifest, encoder, identity, out, resume=out.exists(), shard_size=_SHARD)
    done = read_shards(out)
    by_name = {(row.name, row.row): row for row in manifest.rows}
    rows = tuple(by_name[record.id, row] for record, row in zip(done.records, done.rows, strict=True))
    return Features(done.vectors.reshape(len(rows), width).astype(np.float32), rows, done.problems)


def _key(rows: Sequence[ManifestRow], identity: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    for row in rows:
        status = row.image.stat()
        told = (row.row, row.name, row.label_text, row.group, row.source, status.st_size, status.st_mtime_ns)
        digest.update(json.dumps(told).encode())
    return digest.hexdigest()[:16]
