"""One image-text pair, and where its picture lies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retizero.data import ManifestError, read_image


class Picture(Protocol):
    """A picture that can be read when it is needed."""

    @property
    def name(self) -> str:
        """What to call it in a message."""

    def read(self, least: int | None = None) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 RGB; ``least`` is that of ``read_image``.

        Raises:
            ImageReadError: It is not a photograph that can be read.
        """


@dataclass(frozen=True)
class PictureFile:
    """A picture that is a file of its own."""

    path: Path
    name: str

    def read(self, least: int | None = None) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 RGB."""
        return read_image(self.path, least)


@dataclass(frozen=True)
class Pair:
    """A photograph and what is said about it.

    Attributes:
        picture: The photograph.
        captions: One is drawn each time; at least one.
        labels: Diagnoses, the primary one first; empty where there are captions only.
        split: ``train``, ``val``, ``test``, or empty.
        place: Where it was listed, for messages: ``Row 7``.
    """

    picture: Picture
    captions: tuple[str, ...]
    labels: tuple[str, ...]
    split: str
    place: str

    def also(self, captions: tuple[str, ...], labels: tuple[str, ...]) -> Pair:
        """Return the pair with further captions and labels."""
        return replace(
            self,
            captions=tuple(dict.fromkeys([*self.captions, *captions])),
            labels=tuple(dict.fromkeys([*self.labels, *labels])),
        )


@dataclass(frozen=True)
class Pairs:
    """Pairs that can be used, and a sentence for each that cannot.

    Attributes:
        pairs: In the order of their list.
        problems: What was left out, and why.
        where: The list, for messages.
        worded: How many had labels only, which were put into words.
    """

    pairs: tuple[Pair, ...]
    problems: tuple[str, ...]
    where: str
    worded: int = 0

    def training(self, validation: str) -> tuple[Pair, ...]:
        """Pairs to learn from: split ``train``, or all but the validation's and ``test`` where none says so.

        Raises:
            ManifestError: There are not two, or splits are named and none of them is ``train``.
        """
        chosen = self.of("train")
        if not chosen:
            chosen = tuple(pair for pair in self.pairs if pair.split not in (validation.lower(), "test"))
            if named := sorted({pair.split for pair in chosen} - {""}):
                raise ManifestError(
                    f"{self.where} has no split train, but {', '.join(named)}; call what is to be learned "
                    "from train, or leave the column split empty."
                )
        if len(chosen) < 2:
            raise ManifestError(f"{self.where} has no two pairs to learn from.")
        return chosen

    def of(self, split: str) -> tuple[Pair, ...]:
        """Pairs of one split; may be none."""
        return tuple(pair for pair in self.pairs if pair.split == split.lower())


def said(texts: tuple[str, ...]) -> int:
    """Number of 63 bits that equal texts share, whatever their case, spaces and order."""
    folded = "\n".join(sorted(" ".join(text.lower().split()) for text in texts))
    return int.from_bytes(hashlib.sha256(folded.encode()).digest()[:8], "big") >> 1
