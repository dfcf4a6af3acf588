"""Checkpoints of a run: written atomically, refused by another run's settings."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retizero.training.config import PretrainConfig

_NOT_THE_RUN = (
    "title", "out", "cache", "checkpoints", "checkpoint_every", "keep", "trained_on", "licence",
)  # fmt: skip


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says what to do."""


def checkpoint_path(config: PretrainConfig) -> Path:
    """Where the run keeps its checkpoint."""
    return Path(config.checkpoints) / f"{config.id}.pt"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all: a process killed at any moment leaves the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path, run: str) -> dict[str, Any]:
    """Read a checkpoint of the run with this fingerprint.

    Raises:
        CheckpointError: There is none, it cannot be read, or another run made it.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"There is no checkpoint {path} to resume from; start without --resume."
        ) from error
    except Exception as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read; start without --resume.") from error
    if state.get("run") != run:
        raise CheckpointError(
            f"The checkpoint {path} was made with other settings or photographs; start without --resume."
        )
    return state


def run_fingerprint(config: PretrainConfig, labels: np.ndarray[Any, Any]) -> str:
    """Identify a run by the settings that decide its weights and by its photographs' labels (N, K)."""
    settings = {name: value for name, value in config.to_dict().items() if name not in _NOT_THE_RUN}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(labels).tobytes())
    return digest.hexdigest()


def generator_state(rng: np.random.Generator) -> str:
    """State of a numpy generator as text; its integers are wider than 64 bits."""
    return json.dumps(rng.bit_generator.state)


def restore_generator(rng: np.random.Generator, state: str) -> None:
    """Put a numpy generator back where ``generator_state`` found it."""
    rng.bit_generator.state = json.loads(state)
