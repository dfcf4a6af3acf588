"""Settings that every end-to-end run has: optimiser, precision, processes, checkpoints, journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from retizero.training.strict_settings import StrictSettings

Share = Annotated[float, Field(ge=0, lt=1)]


class Optimiser(StrictSettings):
    """AdamW with a warm-up and a cosine, both by step.

    Attributes:
        learning_rate: Peak.
        head_learning_rate: Peak of projections, logit scale and bias; None for ``learning_rate``.
        weight_decay: Of matrices and kernels; of everything with ``decay_all``, as in the release.
        decay_all: Whether biases, norms and the logit scale decay too.
        betas: AdamW's.
        epsilon: AdamW's.
        warmup_epochs: Epochs of linear rise; a fraction is fine.
        horizon_epochs: Where the cosine would reach zero; None ends it where training ends. The paper's is
            100 with 15 epochs trained.
        clip_norm: Largest norm of the whole gradient; None for no limit.
        average: Decay per step of an exponential moving average of the weights; None for none. Where there
            is one it is what is validated and written.
    """

    learning_rate: float = Field(default=1e-4, gt=0)
    head_learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=1e-5, ge=0)
    decay_all: bool = False
    betas: tuple[Share, Share] = (0.9, 0.999)
    epsilon: float = Field(default=1e-8, gt=0)
    warmup_epochs: float = Field(default=1.0, ge=0)
    horizon_epochs: float | None = Field(default=None, gt=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    average: float | None = Field(default=None, gt=0, lt=1)


class Compute(StrictSettings):
    """How a step is computed; changes speed and memory, and rounding, not what is learnt.

    Attributes:
        device: ``auto``, ``cpu`` or ``cuda``; under torchrun every process takes a GPU of its own.
        precision: ``fp32``, or autocast to ``bf16`` or ``fp16`` (with loss scaling); ``auto`` takes ``bf16``
            where the device computes in it, ``fp32`` elsewhere.
        micro_batch: Most examples of one forward pass in one process; the batch of the loss stays whole.
        checkpoint_blocks: Compute activations of transformer blocks again in the backward pass.
        processes: ``ddp`` keeps the weights in every process; ``fsdp`` shards them.
        workers: Processes that read photographs, per training process; 0 reads in the training process.
        threads: Threads of arithmetic per process; None leaves it to torch.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    micro_batch: int | None = Field(default=None, ge=1)
    checkpoint_blocks: bool = False
    processes: Literal["ddp", "fsdp"] = "ddp"
    workers: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)


class Run(StrictSettings):
    """What every recipe names.

    Attributes:
        id: Id of what is made.
        title: Its name for people.
        out: Folder or file of the result.
        seed: Decides every random draw.
        epochs: Passes over the data.
        batch: Examples per step, over all processes.
        optimiser: Optimiser and schedule.
        compute: Precision, memory, processes.
        checkpoints: Folder of the checkpoint that a killed run goes on from.
        checkpoint_every: Steps between checkpoints; one is also written after every epoch.
        tensorboard: Folder of TensorBoard logs; None for none.
    """

    id: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    out: Path
    seed: int = Field(default=0, ge=0, lt=2**63)
    epochs: int = Field(default=15, ge=1)
    batch: int = Field(default=128, ge=2)
    optimiser: Optimiser = Optimiser()
    compute: Compute = Compute()
    checkpoints: Path = Path("build/checkpoints")
    checkpoint_every: int = Field(default=200, ge=1)
    tensorboard: Path | None = None

    @property
    def checkpoint(self) -> Path:
        """File that a killed run goes on from."""
        return self.checkpoints / f"{self.id}.pt"

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide the weights; a run resumes only with the same ones."""
        values = self.model_dump(mode="json")
        for name in ("title", "out", "checkpoints", "checkpoint_every", "tensorboard"):
            del values[name]
        for name in ("device", "processes", "workers", "threads"):
            del values["compute"][name]
        return values
