"""An image tower and a text tower that meet in one space."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.functional import normalize

from retizero.data import Preprocess
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity

_BATCH = 32
_BATCH_ON_CPU = 4  # photographs: the wide early activations of more do not fit into a processor's cache


class Towers(Protocol):
    """What a dual encoder needs of a network; open_clip's ``CustomTextCLIP`` has it."""

    logit_scale: Tensor

    def encode_image(self, image: Tensor) -> Tensor:
        """Return (N, D) image embeddings of (N, 3, S, S) pixels."""

    def encode_text(self, text: Tensor) -> Tensor:
        """Return (N, D) text embeddings of (N, L) token ids."""


class DualEncoder:
    """Photographs and prompts to unit vectors in one space. Thread-safe; the weights never change.

    Args:
        towers: The network, in evaluation mode.
        tokenizer: Text to token ids, with the special tokens the text tower expects; None where prompts
            cannot be embedded.
        identity: Written beside the weights.
        context_length: Longest prompt in tokens; longer ones are cut.
        device: Where the network lies.
        folder: Where its files lie; None for a network that is not in a folder of its own.

    Attributes:
        image_pass: From pixels (N, 3, S, S) to (N, D), unit norm; replaced by a faster form of the same.
    """

    def __init__(
        self,
        towers: nn.Module | Towers,
        tokenizer: Tokenizer | None,
        identity: ModelIdentity,
        context_length: int,
        device: torch.device,
        folder: Path | None = None,
    ) -> None:
        self.identity = identity
        self.folder = folder
        self.preprocess = Preprocess.from_dict(identity.preprocess)
        self.device = device
        self._towers: Any = towers
        self.has_text = tokenizer is not None
        self.tokenizer: Any = tokenizer
        self.context_length = context_length
        self.image_pass: Callable[[Tensor], Tensor] = self._embed
        self._lock = (
            threading.Lock()
        )  # one forward pass at a time: more would only share the same cores or device

    @property
    def logit_scale(self) -> float:
        """Multiplies cosine similarities to give logits, exp'd."""
        return float(self._towers.logit_scale.detach().float().exp())

    def encode_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed preprocessed photographs.

        Args:
            pixels: (N, 3, S, S) float32 from ``preprocess``.

        Returns:
            (N, D) float32, unit norm; a photograph's row does not depend on the others.
        """
        size = self.preprocess.size
        if pixels.ndim != 4 or pixels.shape[1:] != (3, size, size):
            raise ModelError(f"{self.identity.id} takes pixels (N, 3, {size}, {size}), not {pixels.shape}.")
        rows, step = [], _BATCH_ON_CPU if self.device.type == "cpu" else _BATCH
        for start in range(0, len(pixels), step):
            batch = torch.from_numpy(np.ascontiguousarray(pixels[start : start + step]))
            batch = batch.to(self.device).contiguous(memory_format=torch.channels_last)
            with self._lock, torch.inference_mode():
                embedded = self.image_pass(batch)
                if self.identity.mirror:
                    embedded = normalize(embedded + self.image_pass(batch.flip(-1)), dim=-1)
                rows.append(embedded.cpu().numpy())
        return np.concatenate(rows) if rows else np.empty((0, self.identity.embed_dim), np.float32)

    @property
    def network(self) -> Any:  # noqa: ANN401 - has the methods of Towers, and more in each family
        """Both towers, for who writes them in another form."""
        return self._towers

    @property
    def text_key(self) -> str:
        """SHA-256 of what decides a prompt's embedding; empty where the weights have no name."""
        identity = self.identity
        if self.tokenizer is None or not identity.weights_sha256:
            return ""
        parts = (
            identity.weights_sha256,
            identity.pooling,
            identity.arithmetic,
            str(self.context_length),
            self.tokenizer.to_str(),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def move(self, device: torch.device) -> None:
        """Put the towers on another device; waits for a pass that is running."""
        with self._lock:
            self._towers.to(device)
            self.device = device

    @property
    def image_tower(self) -> nn.Module:
        """The module that turns pixels into image embeddings."""
        return cast(nn.Module, getattr(self._towers, "visual", self._towers))

    @contextmanager
    def lend(self) -> Iterator[Callable[[Tensor], Tensor]]:
        """Give the towers to one caller, who may put hooks on them and differentiate.

        Yields:
            From pixels (N, 3, S, S) on the model's device to (N, D), unit norm, without the mirror image.
        """
        with self._lock:
            yield self._embed

    def _embed(self, pixels: Tensor) -> Tensor:
        return normalize(self._towers.encode_image(pixels).float(), dim=-1)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed prompts.

        Prompts of equal length are computed together, so that no prompt is ever padded and its embedding does
        not depend on the others in the call.

        Args:
            texts: Prompts, any English text; longer ones than the tower reads are cut.

        Returns:
            (N, D) float32, unit norm.
        """
        out = np.empty((len(texts), self.identity.embed_dim), np.float32)
        by_length: dict[int, list[int]] = defaultdict(list)
        tokens = [self._cut(encoding.ids) for encoding in self.tokenizer.encode_batch(list(texts))]
        for index, ids in enumerate(tokens):
            by_length[len(ids)].append(index)
        for indices in by_length.values():
            for start in range(0, len(indices), _BATCH):
                part = indices[start : start + _BATCH]
                batch = torch.tensor([tokens[index] for index in part], device=self.device)
                with self._lock, torch.inference_mode():
                    out[part] = normalize(self._towers.encode_text(batch).float(), dim=-1).cpu().numpy()
        return out

    def token_ids(self, texts: Sequence[str]) -> Tensor:
        """Token ids (N, L) of prompts of one length."""
        return torch.tensor(
            [self._cut(encoding.ids) for encoding in self.tokenizer.encode_batch(list(texts))]
        )

    def _cut(self, ids: list[int]) -> list[int]:
        """Keep the last token (the separator) when a prompt is too long."""
        return ids if len(ids) <= self.context_length else [*ids[: self.context_length - 1], ids[-1]]
