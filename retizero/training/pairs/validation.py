"""How good the towers are after an epoch: by text prompts, or by finding captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from retizero.data import Preprocess
from retizero.knowledge import LabelSet, load_catalogue, prompts
from retizero.training.errors import ConfigError
from retizero.training.pairs.batches import padded
from retizero.training.pairs.pair import Pair
from retizero.training.pairs.start import Start
from retizero.training.ranked_scores import ranked_scores
from retizero.training.running.precision import autocast
from retizero.training.running.world import World

Score = Callable[[], dict[str, float]]
_PART = 64


class Embedder:
    """Embeds photographs and texts with the towers as they are, shared out over the processes.

    Args:
        module: ``PairTowers``, or those spread over processes.
        start: Preprocessing and tokenizer.
        world: The processes.
        precision: Of the forward passes.
    """

    def __init__(self, module: nn.Module, start: Start, world: World, precision: str) -> None:
        self._module, self._start, self._world, self._precision = module, start, world, precision

    def __call__(self, pixels: NDArray[np.float16], texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Embed (N, 3, S, S) pixels and M texts: (N, D) and (M, D) float32, unit norm, on the CPU."""
        tokens = [self._cut(encoding.ids) for encoding in self._start.tokenizer.encode_batch(list(texts))]
        # Photographs and texts go through one forward pass, as sharded towers need; each fills its rows.
        parts = max(1, -(-max(len(pixels), len(tokens)) // (_PART * self._world.size)))
        images, spoken = [], []
        for part in range(parts):
            at = (part * self._world.size + self._world.rank) * _PART
            mine = np.arange(at, at + _PART)
            image, text = self._embed(pixels[mine % len(pixels)], [tokens[i % len(tokens)] for i in mine])
            images.append(image)
            spoken.append(text)
        return self._joined(images, len(pixels)), self._joined(spoken, len(tokens))

    @torch.no_grad()
    def _embed(self, pixels: NDArray[np.float16], tokens: list[list[int]]) -> tuple[Tensor, Tensor]:
        ids, mask = padded(tokens)
        device = self._world.device
        with autocast(self._precision, device):
            image, text, _, _ = self._module(
                torch.from_numpy(pixels.astype(np.float32)).to(device), ids.to(device), mask.to(device)
            )
        return image.float().cpu(), text.float().cpu()

    def _joined(self, mine: list[Tensor], count: int) -> Tensor:
        """Put the parts of all processes back into order."""
        everyone = self._world.gathered(torch.stack(mine))  # (parts, part, D) of each process
        return torch.stack(everyone, dim=1).flatten(0, 2)[:count]

    def _cut(self, ids: list[int]) -> list[int]:
        most = self._start.context_length
        return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]


def zero_shot(
    embed: Embedder,
    pixels: NDArray[np.float16],
    primary: NDArray[np.int64],
    labels: LabelSet,
    style: str,
    template: str,
) -> Score:
    """Rank labels by text prompts; (N,) ``primary`` is the place of the right one.

    ``score`` is the mean of Top-1, Top-3, Top-5 and balanced accuracy.
    """
    texts: list[str] = []
    owner: list[int] = []
    for index, (id, name) in enumerate(zip(labels.ids, labels.names, strict=True)):
        mine = prompts(id, style, template, name=name)  # type: ignore[arg-type]
        texts += mine
        owner += [index] * len(mine)
    speaks = torch.tensor(owner)

    def score() -> dict[str, float]:
        images, spoken = embed(pixels, texts)
        sums = spoken.new_zeros(len(labels), spoken.shape[1]).index_add(0, speaks, spoken)
        order = (images @ normalize(sums, dim=-1).T).argsort(dim=1, descending=True, stable=True).numpy()
        return ranked_scores(order == primary[:, None], primary)

    return score


def retrieval(embed: Embedder, pixels: NDArray[np.float16], captions: Sequence[Sequence[str]]) -> Score:
    """Find captions by photographs; any caption of the photograph counts. ``score`` is the mean recall."""
    texts = list(dict.fromkeys(text for mine in captions for text in mine))
    right = np.array([[text in mine for text in texts] for mine in map(set, captions)])

    def score() -> dict[str, float]:
        images, spoken = embed(pixels, texts)
        order = (images @ spoken.T).argsort(dim=1, descending=True, stable=True).numpy()
        hit = np.take_along_axis(right, order, axis=1)
        recall = {f"recall{k}": float(hit[:, :k].any(axis=1).mean()) for k in (1, 5, 10)}
        return {**recall, "score": sum(recall.values()) / 3}

    return score


def labelled(pairs: Sequence[Pair], labels: LabelSet) -> tuple[list[Pair], NDArray[np.int64]]:
    """Return the pairs whose primary label is in a set, and (N,) its place there.

    Raises:
        ConfigError: There are none.
    """
    catalogue = load_catalogue()
    column = {id: index for index, id in enumerate(labels.ids)}
    kept, primary = [], []
    for pair in pairs:
        found = catalogue.resolve(pair.labels[0]).id if pair.labels else None
        if found in column:
            kept.append(pair)
            primary.append(column[found])
    if not kept:
        raise ConfigError(
            f"No pair of the validation split has a label of {labels.name}; set validation.protocol to "
            "retrieval or none, or name another label set."
        )
    return kept, np.array(primary, np.int64)


def plain_pixels(pairs: Sequence[Pair], preprocess: Preprocess) -> NDArray[np.float16]:
    """Read and preprocess photographs, (N, 3, S, S) float16."""
    return np.stack([preprocess(pair.picture.read()).astype(np.float16) for pair in pairs])
