"""Losses and gradients of one batch as processes that share it compute them; runs in those processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from retizero.training.pairs.loss import PairLoss
from retizero.training.pairs.objective import PairObjective
from retizero.training.pairs.recipe import PairRecipe
from retizero.training.pairs.start import starting_point
from retizero.training.running.loss_scale import LossScale
from retizero.training.running.world import clip_gradients, gradient_norm, joined_world, spread, whole


def compare_losses(recipes: dict[str, PairRecipe], out: Path) -> None:
    """Losses and gradients of one batch, shared out over the processes of this world, by recipe."""
    from tests.retizero.training.pairs.test_pair_objective import random_batch

    found: dict[str, Any] = {}
    torch.set_num_threads(1)
    with joined_world("cpu") as world:
        share = 8 // world.size
        for name, recipe in recipes.items():
            towers = starting_point(recipe, out.parent / f"work{world.rank}").towers
            module = spread(towers, world, recipe.compute.processes, towers.blocks)
            loss = PairLoss(recipe.loss, world)
            objective = PairObjective(towers, module, loss, recipe.compute, world, dict)
            mine = random_batch().split(share)[world.rank]
            losses = objective.backward(mine, 3, LossScale(enabled=False))
            graded = {n: p for n, p in towers.named_parameters() if p.requires_grad}
            gradients = {n: whole(p.grad).clone() for n, p in graded.items() if p.grad is not None}
            norm = gradient_norm(graded.values())
            clip_gradients(graded.values(), 1.0, norm)
            found[name] = (torch.stack(list(losses.values())), gradients, norm)
        if world.first:
            torch.save(found, out)
