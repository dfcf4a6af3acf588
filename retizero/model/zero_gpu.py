"""GPUs of Hugging Face's ZeroGPU Spaces: lent for one call, given back when it returns.

There the main process sees a CUDA device that holds weights but computes nothing; functions that were handed
to ``spaces.GPU`` run in a process forked for them, with a GPU. Elsewhere nothing of this happens.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import torch

Given = ParamSpec("Given")
Result = TypeVar("Result")
LONGEST_CALL = 60  # seconds a GPU is asked for; what is not used is not counted


def zero_gpu() -> Any | None:  # noqa: ANN401 - a package without types
    """Return the package ``spaces`` on a ZeroGPU Space, None elsewhere.

    To be called before CUDA is used: importing it is what makes the device appear.
    """
    if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "t", "true"):
        return None
    try:
        return importlib.import_module("spaces")
    except ImportError:
        return None


def with_lent_gpu(function: Callable[Given, Result], device: torch.device) -> Callable[Given, Result]:
    """Return a function that computes with a lent GPU on a ZeroGPU Space, itself elsewhere.

    Args:
        function: Called in another process there: what it changes is lost, arguments and result are pickled.
        device: Where the model lies; a model on the CPU needs no GPU.
    """
    spaces = zero_gpu()
    if spaces is None or device.type != "cuda":
        return function
    return cast(Callable[Given, Result], spaces.GPU(function, duration=LONGEST_CALL))


def announce() -> None:
    """Tell a ZeroGPU Space that everything is loaded.

    Gradio's ``launch`` does so, which a server that mounts its pages never calls.
    """
    spaces = zero_gpu()
    startup = getattr(getattr(spaces, "zero", None), "startup", None)
    if startup is not None:
        startup()
