"""One run from photographs without labels to an image encoder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from retizero.data.atomic_write import atomic_write
from retizero.model.retizero.config import ImageTowerConfig
from retizero.training.errors import ConfigError
from retizero.training.mae.network import MaskedAutoencoder
from retizero.training.mae.recipe import MaeRecipe
from retizero.training.pairs.pair import Pair
from retizero.training.pairs.sources import read_pairs
from retizero.training.pairs.views import Views
from retizero.training.places import result_at
from retizero.training.running.begin import begun
from retizero.training.running.loop import train
from retizero.training.running.loss_scale import LossScale
from retizero.training.running.order import Order, loaded
from retizero.training.running.precision import autocast
from retizero.training.running.settings import Compute
from retizero.training.running.state import RunState, seeded
from retizero.training.running.world import World, exchanging, spread, whole

_PART = 64


def pretrain_mae(
    recipe: MaeRecipe, manifest: Path | None = None, resume: bool = False, strict: bool = False
) -> list[dict[str, float]] | None:
    """Train a masked autoencoder and write it as ``pretrain --init mae`` reads it.

    Args:
        recipe: Settings.
        manifest: CSV with the column image, instead of what the recipe names.
        resume: Go on from the checkpoint where there is one.
        strict: Stop when anything listed cannot be used.

    Returns:
        One row of losses per epoch; None in the processes that do not write.

    Raises:
        ValueError: Settings, a file, or the photographs cannot be used; the message is one sentence.
    """
    with begun(recipe, folder=False) as (world, journal):
        pairs = world.on_first(
            lambda: read_pairs(recipe.data, None, manifest, strict, journal.tell, recipe.split)
        )
        learn, held_out = pairs.training(recipe.split), pairs.of(recipe.split)
        network = autoencoder(recipe).to(world.device)
        blocks = [*network.vit.blocks, *network.decoder_blocks]
        module = spread(network, world, recipe.compute.processes, blocks)
        order = Order(len(learn), recipe, world)
        state = RunState(network, recipe, set(), order.steps, _fingerprint(recipe, learn), world.device.type)
        examples = MaskedExamples(learn, recipe)
        objective = MaeObjective(module, recipe.compute, world, MaskedExamples(held_out, recipe, plain=True))
        count = f"{len(learn)} photographs to learn from, {len(held_out)} held out"
        journal.tell(f"{count}; {order.steps} steps per epoch.")
        train(
            recipe,
            world,
            state,
            objective,
            lambda epoch, step: loaded(examples, collated, order.mine(epoch, step), recipe, world),
            journal,
            recipe.patience,
            resume,
        )
        weights = {name: whole(tensor).detach().cpu() for name, tensor in network.state_dict().items()}
        if not world.first:
            return None
        weights |= state.best[2]
        model = {name.removeprefix("vit."): tensor for name, tensor in weights.items()}
        written = {"model": model, "recipe": json.dumps(recipe.model_dump(mode="json"))}
        with result_at(recipe.out):
            atomic_write(recipe.out, lambda file: torch.save(written, file))
        return state.history


def autoencoder(recipe: MaeRecipe) -> MaskedAutoencoder:
    """Build the network of a recipe, seeded.

    Raises:
        ConfigError: A size is unknown.
        ModelError: Sizes do not fit together.
    """
    known = set(ImageTowerConfig.__dataclass_fields__) - {"lora_rank"}
    if unknown := sorted(set(recipe.vit) - known):
        raise ConfigError(f"vit: there is no {unknown[0]}; it takes {', '.join(sorted(known))}.")
    torch.manual_seed(recipe.seed)
    if recipe.decoder_dim % recipe.decoder_heads:
        raise ConfigError("decoder_dim is not a multiple of decoder_heads.")
    return MaskedAutoencoder(
        ImageTowerConfig(**{**recipe.vit, "lora_rank": 0}),
        recipe.decoder_dim,
        recipe.decoder_depth,
        recipe.decoder_heads,
        recipe.masked,
        recipe.normalise_patches,
    )


@dataclass(frozen=True)
class MaskedBatch:
    """Photographs of one step and process.

    Attributes:
        pixels: (N, 3, S, S) float32, normalised.
        noise: (N, patches) float32; the patches with the largest values are hidden.
    """

    pixels: Tensor
    noise: Tensor


Example = tuple[NDArray[np.float32], NDArray[np.float32]]


class MaskedExamples(Dataset[Example]):
    """Views of photographs, and what is hidden of them: both depend on seed, epoch and place alone.

    Args:
        pairs: Photographs.
        recipe: Settings.
        plain: Show the photographs as they are.
    """

    def __init__(self, pairs: Sequence[Pair], recipe: MaeRecipe, plain: bool = False) -> None:
        size = ImageTowerConfig(**{**recipe.vit, "lora_rank": 0})
        augmentation = None if plain else recipe.picture.augmentation
        self._views = Views(pairs, recipe.picture.preprocess(size.img_size), augmentation)
        self._patches, self._seed = (size.img_size // size.patch_size) ** 2, recipe.seed

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, place: tuple[int, int, int]) -> Example:
        """Return one example of (epoch, place in the epoch, photograph)."""
        epoch, at, index = place
        rng = seeded(self._seed, epoch, at)
        pixels, _ = self._views.draw(index, rng)
        return pixels, rng.random(self._patches, np.float32)


def collated(examples: Sequence[Example]) -> MaskedBatch:
    """Make a batch of examples."""
    pixels, noise = zip(*examples, strict=True)
    return MaskedBatch(torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(noise)))


class MaeObjective:
    """Loss and validation of masked autoencoding.

    Args:
        module: ``MaskedAutoencoder``, or one spread over processes.
        compute: Precision and size of the parts of a batch.
        world: The processes.
        held_out: Photographs that validate; may be none.
    """

    def __init__(self, module: nn.Module, compute: Compute, world: World, held_out: MaskedExamples) -> None:
        self._module, self._compute, self._world, self._held_out = module, compute, world, held_out

    def backward(self, batch: MaskedBatch, epoch: int, scaler: LossScale) -> dict[str, Tensor]:
        """Leave gradients of one batch in the weights; return the loss, mean over processes."""
        self._module.train()
        count = len(batch.pixels)
        most = self._compute.micro_batch or count
        total = torch.zeros((), device=self._world.device)
        for begin in range(0, count, most):
            rows = slice(begin, begin + most)
            with exchanging(self._module, now=begin + most >= count):
                part = self._loss(batch.pixels[rows], batch.noise[rows]) * (len(batch.noise[rows]) / count)
                scaler.scale(part).backward()  # type: ignore[no-untyped-call]
            total = total + part.detach()
        return {"loss": self._world.mean(total)}

    def settle(self) -> None:
        """Nothing has bounds here."""

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Mean loss of held-out photographs, the same patches hidden each time; ``score`` is its negative."""
        if not len(self._held_out):
            return {}
        self._module.eval()
        total, count, size = torch.zeros((), device=self._world.device), 0, self._world.size
        for part in range(-(-len(self._held_out) // (_PART * size))):
            # Every process takes as many parts, as sharded weights need; places beyond the last begin anew.
            at = (part * size + self._world.rank) * _PART
            wanted = [
                index % len(self._held_out) for index in range(at, min(at + _PART, at + len(self._held_out)))
            ]
            batch = collated([self._held_out[(0, index, index)] for index in wanted])
            total, count = total + self._loss(batch.pixels, batch.noise), count + 1
        loss = float(self._world.mean(total / count))
        return {"val_loss": loss, "score": -loss}

    def _loss(self, pixels: Tensor, noise: Tensor) -> Tensor:
        device = self._world.device
        with autocast(self._compute.precision, device):
            loss: Tensor = self._module(
                pixels.to(device, non_blocking=True), noise.to(device, non_blocking=True)
            )
        return loss


def _fingerprint(recipe: MaeRecipe, pairs: Sequence[Pair]) -> str:
    digest = hashlib.sha256(json.dumps(recipe.deciding(), sort_keys=True).encode())
    digest.update(json.dumps([pair.picture.name for pair in pairs]).encode())
    return digest.hexdigest()
