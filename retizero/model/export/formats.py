"""ONNX and OpenVINO: write a tower, open it again. Their packages are optional, imported when used."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from retizero.model.device import computes_in_bfloat16
from retizero.model.errors import ModelError

Run = Callable[[NDArray[Any]], NDArray[np.float32]]
_OPSET = 18
OUTPUT = "embeddings"


@dataclass(frozen=True)
class Format:
    """A file format with the runtime that runs it.

    Attributes:
        name: What ``--format`` takes.
        runtime: Name of the runtime for people.
        package: What pip installs.
        files: Endings of one tower's files, the one to open first.
        write: From a module, an example of its input, the input's name and dynamic axes, to a path.
        open: From a path to a function of one array; threads may share it.
        arithmetic: Type of the runtime's products on this machine.
    """

    name: str
    runtime: str
    package: str
    files: tuple[str, ...]
    write: Callable[[nn.Module, Tensor, str, Mapping[int, str], Path], None]
    open: Callable[[Path], Run]
    arithmetic: Callable[[], str]


def format_named(name: str, to_write: bool = False) -> Format:
    """Return a format whose runtime is installed, and where asked what writes it.

    Raises:
        ModelError: The name is unknown or the runtime is not installed.
    """
    if name not in _FORMATS:
        raise ModelError(f"The format {name!r} is unknown; use {' or '.join(_FORMATS)}.")
    _runtime(_FORMATS[name].package)
    if to_write:
        _runtime("onnx")  # PyTorch writes with it
    return _FORMATS[name]


def write_onnx(module: nn.Module, example: Tensor, name: str, axes: Mapping[int, str], path: Path) -> None:
    """Trace a module with one input and one output into an ONNX file."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter tells developers about itself
        torch.onnx.export(
            module,
            (example,),
            path,
            dynamo=False,
            opset_version=_OPSET,
            input_names=[name],
            output_names=[OUTPUT],
            dynamic_axes={name: dict(axes), OUTPUT: {0: axes[0]}},
        )


def open_onnx(path: Path) -> Run:
    """Open an ONNX file with ONNX Runtime on the CPU."""
    runtime = _runtime("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda given: np.asarray(session.run([OUTPUT], {name: given})[0], np.float32)


def write_openvino(
    module: nn.Module, example: Tensor, name: str, axes: Mapping[int, str], path: Path
) -> None:
    """Trace a module with one input and one output into OpenVINO's two files, weights in float32."""
    openvino = _runtime("openvino")
    onnx = path.with_suffix(".onnx")
    try:
        write_onnx(module, example, name, axes, onnx)
        openvino.save_model(openvino.Core().read_model(str(onnx)), str(path), compress_to_fp16=False)
    finally:
        onnx.unlink(missing_ok=True)


def open_openvino(path: Path) -> Run:
    """Open OpenVINO's files on the CPU, in bfloat16 where the processor has it."""
    settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": _precision()}
    compiled = _runtime("openvino").Core().compile_model(str(path), "CPU", settings)

    def run(given: NDArray[Any]) -> NDArray[np.float32]:
        request = compiled.create_infer_request()  # of its own: requests are not thread-safe
        return np.array(request.infer([given])[0], np.float32)

    return run


def _precision() -> str:
    return "bf16" if computes_in_bfloat16(torch.device("cpu")) else "f32"


def _runtime(package: str) -> Any:  # noqa: ANN401 - a module without types
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ModelError(
            f"This needs the package {package}, which is optional: pip install {package}."
        ) from error


_FORMATS = {
    "onnx": Format(
        "onnx", "ONNX Runtime", "onnxruntime", (".onnx",), write_onnx, open_onnx, lambda: "float32"
    ),
    "openvino": Format(
        "openvino",
        "OpenVINO",
        "openvino",
        (".xml", ".bin"),
        write_openvino,
        open_openvino,
        lambda: {"bf16": "bfloat16", "f32": "float32"}[_precision()],
    ),
}
