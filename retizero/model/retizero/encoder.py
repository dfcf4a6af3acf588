"""RetiZero as the dual encoder that the engine serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import normalize

from retizero.data import Preprocess
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity
from retizero.model.retizero.network import MAX_LOGIT_SCALE, RetiZero
from retizero.model.retizero.tokenizer import HOW_TO_GET_ONE

_HALF = (0.5, 0.5, 0.5)
_BATCH = 32


class RetiZeroEncoder(DualEncoder):
    """Photographs and prompts to unit vectors in one space; also the release's embedding for retrieval.

    Args:
        network: In evaluation mode.
        tokenizer: BERT's, or None: then photographs can be embedded and prompts cannot.
        identity: Written beside the weights.
        device: Where the network lies.
    """

    def __init__(
        self, network: RetiZero, tokenizer: Tokenizer | None, identity: ModelIdentity, device: torch.device
    ) -> None:
        super().__init__(network, tokenizer, identity, network.config.context_length, device)
        self._network = network

    @property
    def retrieval_preprocess(self) -> Preprocess:
        """Preprocessing of ``encode_for_retrieval``: mean and standard deviation 0.5, as in the release."""
        return replace(self.preprocess, mean=_HALF, std=_HALF)

    @property
    def image_tower(self) -> nn.Module:
        """The module that turns pixels into image embeddings."""
        return self._network.image

    @property
    def logit_scale(self) -> float:
        """Multiplies cosine similarities to give logits, exp'd; at most 100, as in the release."""
        return float(self._network.logit_scale.detach().float().clamp(0, MAX_LOGIT_SCALE).exp())

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed prompts, (N, D) float32, unit norm.

        With ``padding-independent`` pooling a prompt's embedding does not depend on the others in the call;
        with ``official`` it does, as in the release.

        Raises:
            ModelError: The model was loaded without a tokenizer.
        """
        if not self.has_text:
            raise ModelError(HOW_TO_GET_ONE)
        if self._network.config.pooling == "official":
            return self._encode_padded(texts)
        return super().encode_texts(texts)

    def encode_for_retrieval(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed photographs as the release's retrieval does: mean patch token before the final norm.

        Args:
            pixels: (N, 3, S, S) float32 from ``retrieval_preprocess``.

        Returns:
            (N, width) float32, not normalised.
        """
        width = self._network.config.vit.embed_dim
        rows = [np.empty((0, width), np.float32)]
        for start in range(0, len(pixels), _BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(pixels[start : start + _BATCH])).to(self.device)
            with self._lock, torch.inference_mode():
                rows.append(self._network.image.patch_mean(batch).cpu().numpy())
        return np.concatenate(rows)

    def _encode_padded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode all prompts in one batch, padded to the longest."""
        if not texts:
            return np.empty((0, self.identity.embed_dim), np.float32)
        tokens = [self._cut(encoding.ids) for encoding in self.tokenizer.encode_batch(list(texts))]
        ids = torch.zeros((len(tokens), max(map(len, tokens))), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, numbers in enumerate(tokens):
            ids[row, : len(numbers)] = torch.tensor(numbers)
            mask[row, : len(numbers)] = 1
        with self._lock, torch.inference_mode():
            embedded = self._network.encode_text(ids.to(self.device), mask.to(self.device))
        return cast(NDArray[np.float32], normalize(embedded.float(), dim=-1).cpu().numpy())
