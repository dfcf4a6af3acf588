"""Features of prompts under the frozen text tower, computed once, kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from retizero.data.atomic_write import atomic_write


def cached_text_features(
    text: nn.Module, tokenizer: Tokenizer, prompts: Sequence[str], folder: Path
) -> Tensor:
    """``text_features`` of prompts, found in the folder where the same tower read the same tokens before."""
    tower = cast(Any, text)
    tokens = [encoding.ids for encoding in tokenizer.encode_batch(list(prompts))]
    digest = hashlib.sha256(repr(tokens).encode())
    for name, tensor in tower.transformer.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    path = folder / f"prompts-{digest.hexdigest()[:16]}.npy"
    if not path.exists():
        computed = text_features(tower, tokens).numpy()
        atomic_write(path, lambda file: np.save(file, computed))
    return torch.from_numpy(np.load(path))


def text_features(text: nn.Module, tokens: Sequence[Sequence[int]]) -> Tensor:
    """Mean-pooled states of the frozen text tower, (P, F) float32; each prompt computed without padding."""
    tower = cast(Any, text).eval()
    features = torch.empty(len(tokens), tower.config.hidden_size)
    for length in sorted({len(ids) for ids in tokens}):
        alike = [index for index, ids in enumerate(tokens) if len(ids) == length]
        for start in range(0, len(alike), 64):
            part = alike[start : start + 64]
            ids = torch.tensor([tokens[index] for index in part])
            with torch.no_grad():
                states = tower.transformer(
                    input_ids=ids, attention_mask=torch.ones_like(ids)
                ).last_hidden_state
            features[part] = states.mean(dim=1)
    return features
