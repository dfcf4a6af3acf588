"""Rows that a probe run has finished: kept beside its results until the table is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from retizero.data import Manifest
from retizero.data.atomic_write import atomic_write_text
from retizero.evaluation.transfer import is_transfer_row
from retizero.model.image_towers import ImageTower
from retizero.training.places import result_at
from retizero.training.probes.config import ProbeConfig
from retizero.training.running.checkpoint import CheckpointError, put_aside

ROWS = "rows.partial.json"


class FinishedRows:
    """The file of the finished rows of one run.

    Args:
        config: Of the run.
        manifest: Its photographs.
        tower: Its tower; with other settings, photographs or weights the file is refused.
    """

    def __init__(self, config: ProbeConfig, manifest: Manifest, tower: ImageTower) -> None:
        self._out, self._path = config.out, config.out / ROWS
        self._run = _fingerprint(config, manifest, tower)

    def begin(self, resume: bool, tell: Callable[[str], None]) -> dict[str, Any]:
        """Return the rows of an interrupted run by their keys; without ``resume`` they are put aside.

        Raises:
            CheckpointError: They are another run's, or damaged.
        """
        if not self._path.exists():
            return {}
        if not resume:
            tell(f"The rows of an interrupted run are now {put_aside(self._path)}.")
            return {}
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            run, rows = kept["run"], dict(kept["rows"])
        except OSError as error:
            raise CheckpointError(f"{self._path} cannot be read; start without --resume.") from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CheckpointError(f"{self._path} is damaged; start without --resume.") from error
        if run != self._run:
            raise CheckpointError(
                f"{self._path} was written with other settings or photographs; start without --resume."
            )
        if not all(is_transfer_row(row) for row in rows.values()):
            raise CheckpointError(f"{self._path} is damaged; start without --resume.")
        return rows

    def keep(self, rows: dict[str, Any]) -> None:
        """Write the rows that are finished, the file whole or not at all.

        Raises:
            ResultError: For want of room or of rights.
        """
        with result_at(self._out):
            atomic_write_text(self._path, json.dumps({"run": self._run, "rows": rows}) + "\n")

    def drop(self) -> None:
        """Remove the file: the table is written."""
        self._path.unlink(missing_ok=True)


def _fingerprint(config: ProbeConfig, manifest: Manifest, tower: ImageTower) -> str:
    deciding = config.model_dump(mode="json", exclude={"out", "cache"})
    digest = hashlib.sha256(json.dumps([deciding, tower.identity.to_dict()], sort_keys=True).encode())
    for row in manifest.rows:
        digest.update(json.dumps([row.name, row.labels, row.group, row.source, row.split]).encode())
    return digest.hexdigest()
