"""A tiny run on labelled photographs: its problem, and what trains it."""

import numpy as np
import torch
from torch import nn

from retizero.training.labelled.examples import KeptViews
from retizero.training.labelled.learner import Learner
from retizero.training.labelled.objective import validation
from retizero.training.labelled.prepare import HeldOut, Photographs, Prepared
from retizero.training.labelled.prompts import PromptFeatures
from retizero.training.labelled.recipe import LabelRecipe
from retizero.training.labelled.run import learn
from retizero.training.running.journal import Journal
from retizero.training.running.world import World

LABELS, PHOTOGRAPHS, CHANNELS, WIDTH = 3, 48, 6, 8
ALONE = World(0, 1, torch.device("cpu"))


def tiny_learner():
    torch.manual_seed(0)
    back = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 4))
    return Learner(back, nn.Linear(WIDTH, 4, bias=False), nn.Parameter(torch.tensor(2.0)))


def tiny_problem(views=None, front=lambda views: views):
    """Photographs whose label is the loudest channel, and two prompts per label."""
    rng = np.random.default_rng(3)
    primary = rng.integers(0, LABELS, PHOTOGRAPHS)
    activations = rng.normal(0, 0.3, (PHOTOGRAPHS, 2, CHANNELS, 4, 4)).astype(np.float16)
    activations[np.arange(PHOTOGRAPHS), :, primary] += 1
    shown = np.eye(LABELS, dtype=np.float32)[primary]
    features = torch.from_numpy(rng.normal(size=(2 * LABELS, WIDTH)).astype(np.float32))
    return Prepared(
        tiny_learner(),
        front,
        Photographs(views or KeptViews(activations), shown, primary, primary % 2),
        PromptFeatures(features, torch.arange(LABELS).repeat_interleave(2)),
        HeldOut(activations[:, :1], primary),
    )


def tiny_recipe(folder, **changes):
    values = {"id": "tiny", "out": folder / "model", "checkpoints": folder, "epochs": 6, "batch": 16}
    values["optimiser"] = {"average": 0.5, **changes.pop("optimiser", {})}
    return LabelRecipe.model_validate({**values, **changes})


class Told(Journal):
    """A journal whose lines a test reads, or acts on."""

    def __init__(self, hear=lambda _: None):
        super().__init__(speaks=True)
        self.lines, self._hear = [], hear

    def due(self):
        return True

    def tell(self, line):
        self.lines.append(line)
        self._hear(line)


def trained(problem, recipe, hear=lambda _: None, resume=False):
    """Train in place; return the history."""
    return learn(problem, recipe, ALONE, Told(hear), resume)


def scored(problem):
    """Scores of the learner as it is."""
    held_out = problem.held_out
    return validation(problem.learner, held_out.activations, held_out.primary, problem.prompts, LABELS)()
