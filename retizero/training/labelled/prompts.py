"""Prompts to learn from, and their features under the frozen text tower, computed once, kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.functional import normalize

from retizero.data.atomic_write import atomic_write
from retizero.knowledge import Catalogue, LabelSet, Style, prompts
from retizero.training.labelled.learner import Learner


@dataclass(frozen=True)
class Prompts:
    """Texts, and the index of the disease each speaks of; the labels of the set come first."""

    texts: tuple[str, ...]
    owner: NDArray[np.int64]


def training_prompts(labels: LabelSet, catalogue: Catalogue, style: str, template: str) -> Prompts:
    """Collect prompts of the set's labels, as set and catalogue word them, then of all other diseases.

    Besides the prompts used at test time every synonym is a prompt, so that the wording matters less.
    """
    texts: list[str] = []
    owner: list[int] = []
    rest = [disease.id for disease in catalogue.diseases if disease.id not in set(labels.ids)]
    named = [*zip(labels.ids, labels.names, strict=True), *((id, catalogue[id].name) for id in rest)]
    for index, (id, name) in enumerate(named):
        mine = list(prompts(id, cast(Style, style), template, name=name))
        if id in catalogue:
            disease = catalogue[id]
            wordings = (name, disease.name, *disease.synonyms)
            mine += [template.replace("{label}", wording) for wording in wordings]
        mine = list(dict.fromkeys([*mine, name]))
        texts += mine
        owner += [index] * len(mine)
    return Prompts(tuple(texts), np.array(owner, np.int64))


@dataclass(frozen=True)
class PromptFeatures:
    """Text features of every prompt.

    Attributes:
        features: (P, F) float32.
        owner: (P,) index of the disease a prompt speaks of; the first K are the training labels.
    """

    features: Tensor
    owner: Tensor

    def to(self, device: torch.device) -> PromptFeatures:
        """Return the features on a device."""
        return PromptFeatures(self.features.to(device), self.owner.to(device))

    def prototypes(self, learner: Learner, count: int) -> Tensor:
        """Mean embedding of each of the first ``count`` diseases' prompts, (count, D), unit norm."""
        mine = self.owner < count
        embedded = learner.texts(self.features[mine])
        sums = embedded.new_zeros(count, embedded.shape[1]).index_add(0, self.owner[mine], embedded)
        return normalize(sums, dim=-1)


def cached_text_features(text: nn.Module, tokenizer: Tokenizer, texts: Sequence[str], folder: Path) -> Tensor:
    """``text_features`` of texts, found in the folder where the same tower read the same tokens before."""
    tower = cast(Any, text)
    tokens = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
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
