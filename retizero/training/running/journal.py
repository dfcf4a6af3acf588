"""What a run tells while it works: lines on stderr with the time left, and TensorBoard logs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retizero.training.errors import ConfigError
from retizero.training.running.clock import Clock

_SECONDS_BETWEEN_LINES = 10.0


class Journal:
    """Speaks for the first process; silent in the others.

    Args:
        speaks: Whether this process is the first.
        tensorboard: Folder of TensorBoard logs, or None.

    Raises:
        ConfigError: TensorBoard logs are asked for and the package is not installed.
    """

    def __init__(self, speaks: bool, tensorboard: Path | None = None) -> None:
        self._speaks, self._folder = speaks, tensorboard
        self._writer: Any = None
        self._clock: Clock | None = None
        self._told_at = 0.0
        if tensorboard is not None:
            try:
                import tensorboard as installed  # noqa: F401
            except ImportError:
                raise ConfigError(
                    "TensorBoard logs need the package tensorboard: pip install tensorboard, "
                    "or leave the setting tensorboard out."
                ) from None

    def start(self, steps: int, done: int) -> None:
        """Begin to measure the time left of a run of ``steps`` steps, of which ``done`` are done."""
        self._clock, self._told_at = Clock(steps, done), time.monotonic()
        if self._speaks and self._folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            # What a killed run logged after its last checkpoint is dropped: those steps come again.
            self._writer = SummaryWriter(str(self._folder), purge_step=done)

    def tell(self, line: str) -> None:
        """Print one line on stderr."""
        if self._speaks:
            print(line, file=sys.stderr, flush=True)

    def due(self) -> bool:
        """Whether it is time for another line about the steps."""
        return time.monotonic() - self._told_at >= _SECONDS_BETWEEN_LINES

    def step(self, epoch: int, step: int, steps: int, done: int, values: Mapping[str, float]) -> None:
        """Tell about a step, with the time left of the whole run."""
        self._told_at = time.monotonic()
        left = self._clock.left(done) if self._clock else ""
        self.tell(f"epoch {epoch} step {step}/{steps} {_listed(values)} {left}")
        self.log("train", values, done)

    def log(self, kind: str, values: Mapping[str, float], done: int) -> None:
        """Write numbers to TensorBoard; where that fails the run goes on without."""
        if self._writer is None:
            return
        try:
            for name, value in values.items():
                self._writer.add_scalar(f"{kind}/{name}", value, done)
        except OSError as error:
            self._writer = None
            self.tell(f"TensorBoard logs end here: {self._folder} cannot be written ({error.strerror}).")

    def close(self) -> None:
        """Finish the logs."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()


def _listed(values: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in values.items())
