"""The processes of a run: one, or those that ``torchrun`` started on one host or many."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from retizero.training.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process among the others.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
        device: Where this process computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def from_first(self, value: Any) -> Any:  # noqa: ANN401 - anything that can be pickled
        """Return the first process's value in every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def on_first(self, make: Callable[[], T]) -> T:
        """Let the first process make a value for all; where it fails the others end quietly."""
        if self.size == 1:
            return make()
        made: Any = None
        error: Exception | None = None
        if self.first:
            try:
                made = make()
            except Exception as raised:  # told below, after the others know
                error = raised
        failed, made = self.from_first((error is not None, made))
        if error is not None:
            raise error
        if failed:
            raise SystemExit(2)
        return cast(T, made)

    def gathered(self, value: Any) -> list[Any]:  # noqa: ANN401 - anything that can be pickled
        """Return the values of all processes, in order of rank, in every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over processes."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def wait(self) -> None:
        """Let all processes come to this line."""
        if self.size > 1:
            dist.barrier()


@contextlib.contextmanager
def joined_world(device: str = "auto") -> Iterator[World]:
    """Join the processes that torchrun started; a process started alone is a world of one.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: ``cuda`` is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("compute.device is cuda, and there is no such GPU here; use auto or cpu.")
    on_gpu = device != "cpu" and torch.cuda.is_available()
    size = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if on_gpu else "cpu")
    if on_gpu:
        torch.cuda.set_device(chosen)
    if size == 1 or dist.is_initialized():
        yield World(dist.get_rank(), dist.get_world_size(), chosen) if size > 1 else World(0, 1, chosen)
        return
    # open_clip gathers with a function that newer versions of torch call otherwise.
    warnings.filterwarnings("ignore", ".*all_gather is deprecated", FutureWarning)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield World(dist.get_rank(), size, chosen)
    finally:
        dist.destroy_process_group()


def spread(network: nn.Module, world: World, how: str, blocks: Sequence[nn.Module]) -> nn.Module:
    """Make a network learn in all processes at once.

    Args:
        network: On the world's device, the same in every process.
        world: The processes.
        how: ``ddp`` or ``fsdp``.
        blocks: What FSDP gathers and frees one after the other.

    Returns:
        The module to call; weights stay those of ``network``.
    """
    if world.size == 1:
        return network
    if how == "fsdp":
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(world.device.type, (world.size,))
        # FSDP does not shard single numbers: those stay in every process, and their gradients are averaged
        # here.
        numbers = {parameter for parameter in network.parameters() if parameter.ndim == 0}
        for number in numbers:
            if number.requires_grad:
                cast(Any, number).register_post_accumulate_grad_hook(_averaging(world))
        for block in blocks:
            fully_shard(block, mesh=mesh)
        # Gathered weights are freed after every forward pass: left over from validating averaged weights they
        # would serve the next step.
        spread_out = fully_shard(network, mesh=mesh, reshard_after_forward=True, ignored_params=numbers)
        return cast(nn.Module, spread_out)
    devices = [world.device] if world.device.type == "cuda" else None
    return DistributedDataParallel(network, device_ids=devices)


def _averaging(world: World) -> Callable[[Tensor], None]:
    def average(parameter: Tensor) -> None:
        if parameter.grad is not None:
            parameter.grad = world.mean(parameter.grad)

    return average


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor:
    """Return the norm of all gradients together, sharded or not; the same in every process."""
    norms = [
        whole(nn.utils.get_total_norm([cast(Tensor, p.grad) for p in kind]))
        for kind in _by_kind(parameters)
        if kind
    ]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.zeros(())


def clip_gradients(parameters: Iterable[Tensor], most: float, norm: Tensor) -> None:
    """Scale gradients, whose norm together is ``norm``, to one of at most ``most``."""
    for kind in _by_kind(parameters):
        if kind:
            nn.utils.clip_grads_with_norm_(kind, most, norm)


def _by_kind(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """Parameters with gradients, the sharded ones and the others."""
    graded = [parameter for parameter in parameters if parameter.grad is not None]
    return [[p for p in graded if isinstance(p, DTensor) is sharded] for sharded in (True, False)]


@contextlib.contextmanager
def exchanging(network: nn.Module, now: bool) -> Iterator[None]:
    """Let the backward passes inside the block exchange gradients between processes, or not yet."""
    if isinstance(network, DistributedDataParallel) and not now:
        with network.no_sync():
            yield
    elif hasattr(network, "set_requires_gradient_sync"):
        sharded = cast(Any, network)
        sharded.set_requires_gradient_sync(now)
        yield
        sharded.set_requires_gradient_sync(True)
    else:
        yield


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor that may be sharded; every process must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def fill(target: Tensor, value: Tensor) -> None:
    """Copy a whole tensor into one that may be sharded."""
    with torch.no_grad():
        if isinstance(target, DTensor):
            value = distribute_tensor(value.to(target.device), target.device_mesh, target.placements)
        target.copy_(value)
