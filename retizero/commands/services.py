"""What commands are given from outside: how an engine is loaded. Tests hand in their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from retizero.serving import Engine

EngineLoader = Callable[[str, str], "Engine"]


@dataclass(frozen=True)
class Services:
    """Travels as the context object of every command.

    Attributes:
        load_engine: Takes a model id or path and a device name, and returns the engine.
    """

    load_engine: EngineLoader


def load_real_engine(model: str, device: str) -> Engine:
    """Load a model; imports torch only here."""
    from retizero.serving import Engine

    return Engine.load(model, device)


def engine_for(context: typer.Context, model: str, device: str) -> Engine:
    """Return the engine that a command's ``--model`` and ``--device`` ask for.

    Raises:
        ModelError: The model is not known, not present, or damaged.
    """
    services = context.find_object(Services)
    load = services.load_engine if services is not None else load_real_engine
    return load(model, device)
