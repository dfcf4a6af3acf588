"""Pairs from WebDataset shards: tar files in which ``KEY.jpg`` and ``KEY.txt`` or ``KEY.json`` are a pair.

The members of every shard are listed once; pictures are then read by their place in the file, so that pairs
come in any order and a run goes on at any of them. Shards are files on disk, not compressed as a whole.
"""

from __future__ import annotations

import glob
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from retizero.data import ImageReadError, ManifestError, read_image
from retizero.data.manifest import split_labels
from retizero.knowledge import Catalogue, load_catalogue
from retizero.training.pairs.captions import Wording, written_captions
from retizero.training.pairs.pair import Pair, Pairs

_PICTURES = ("jpg", "jpeg", "png", "tif", "tiff", "dcm")
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class PictureInShard:
    """A picture that is a part of a tar file: ``size`` bytes from ``start``."""

    shard: Path
    start: int
    size: int
    name: str

    def data(self) -> bytes:
        """Return the file as it is in the shard."""
        try:
            with self.shard.open("rb") as file:
                file.seek(self.start)
                return file.read(self.size)
        except OSError as error:
            raise ImageReadError(f"{self.shard} cannot be opened.") from error

    def read(self, least: int | None = None) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 RGB."""
        try:
            return read_image(self.data(), least)
        except ImageReadError as error:
            raise ImageReadError(f"{self.name}: {error}") from error


def pairs_of_shards(pattern: str, wording: Wording | None) -> Pairs:
    """List the pairs of all shards.

    Captions are the lines of ``KEY.txt``, or ``caption``, ``captions`` or ``text`` of ``KEY.json``;
    ``label``, ``labels`` and ``split`` of ``KEY.json`` are read too. A shard in a folder called ``train``,
    ``val`` or ``test``, or whose name begins so, belongs to that split.

    Args:
        pattern: Path with wildcards or ``{0000..0034}``.
        wording: How labels are put into words; None where only the photographs are asked for.

    Raises:
        ManifestError: No shard is there, or one is no tar file.
    """
    paths = shard_paths(pattern)
    if not paths:
        raise ManifestError(f"There is no shard {pattern}.")
    catalogue = load_catalogue()
    pairs: list[Pair] = []
    problems: list[str] = []
    seen: dict[object, PictureInShard] = {}
    for path in paths:
        split = _split_of(path)
        for key, members in _samples(path):
            place = f"{path.name}, {key}"
            pair = _pair(path, place, members, split, wording, catalogue)
            if isinstance(pair, str):
                problems.append(f"{place}: {pair}")
                continue
            # A key names a pair within its shard; the same pair in two shards has the same picture too.
            mine = cast(PictureInShard, pair.picture)
            first = seen.setdefault((key, mine.size, pair.captions, pair.labels), mine)
            if first is not mine and first.data() == mine.data():
                problems.append(f"{place}: the same pair is in {first.shard.name} already.")
            else:
                pairs.append(pair)
    return Pairs(tuple(pairs), tuple(problems), pattern)


def shard_paths(pattern: str) -> list[Path]:
    """Write out ``{a,b}`` and ``{0000..0034}``, then wildcards; sorted."""
    parts: list[list[str]] = []
    last = 0
    for found in _BRACES.finditer(pattern):
        parts += [[pattern[last : found.start()]], _alternatives(found.group(1))]
        last = found.end()
    parts.append([pattern[last:]])
    spelled = ["".join(choice) for choice in product(*parts)]
    return sorted(
        Path(path) for name in spelled for path in (glob.glob(name) if glob.has_magic(name) else [name])
    )


def _alternatives(inside: str) -> list[str]:
    first, dots, last = inside.partition("..")
    if dots and first.isdigit() and last.isdigit():
        return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
    return inside.split(",")


@dataclass(frozen=True)
class _Member:
    start: int
    size: int


def _samples(path: Path) -> Iterator[tuple[str, Mapping[str, _Member]]]:
    """Keys with their members by ending, in the order of the shard; a key ends at the name's first dot."""
    samples: dict[str, dict[str, _Member]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                if info.isfile():
                    name = PurePosixPath(info.name)
                    stem, _, ending = name.name.partition(".")
                    key = str(name.with_name(stem))
                    samples.setdefault(key, {})[ending.lower()] = _Member(info.offset_data, info.size)
    except FileNotFoundError as error:
        raise ManifestError(f"There is no shard {path}.") from error
    except (tarfile.TarError, OSError) as error:
        raise ManifestError(
            f"{path} is not a tar file that can be read; shards are not compressed."
        ) from error
    yield from samples.items()


def _pair(
    path: Path,
    place: str,
    members: Mapping[str, _Member],
    split: str,
    wording: Wording | None,
    catalogue: Catalogue,
) -> Pair | str:
    picture = next((members[ending] for ending in _PICTURES if ending in members), None)
    if picture is None:
        return f"there is no picture ({', '.join(_PICTURES)})."
    try:
        text = _text(path, members["txt"]) if "txt" in members else ""
        values = json.loads(_text(path, members["json"])) if "json" in members else {}
    except ValueError:
        return "the text beside the picture is not UTF-8 or not JSON."
    if not isinstance(values, dict):
        return "the JSON beside the picture holds no values by name."
    lines = {name: _lines(value) for name, value in values.items()}
    labelled = ";".join(lines.get(name, "").replace("\n", ";") for name in ("label", "labels"))
    labels = tuple(dict.fromkeys(split_labels(labelled)))
    captions = written_captions({"caption_0": text, **lines})
    if not captions and labels and wording:
        captions = wording.of(labels, catalogue)
    if not captions and wording:
        return "there is no caption and no label."
    return Pair(
        PictureInShard(path, picture.start, picture.size, place),
        captions,
        labels,
        str(values.get("split", split)).lower(),
        place,
    )


def _text(path: Path, member: _Member) -> str:
    with path.open("rb") as file:
        file.seek(member.start)
        return file.read(member.size).decode("utf-8-sig")


def _lines(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if isinstance(value, list):
        return "\n".join(str(each) for each in value)
    return "" if value is None else str(value)


def _split_of(path: Path) -> str:
    for name in (path.name, path.parent.name):
        for split in ("train", "val", "test"):
            if re.match(rf"{split}(?![a-z])", name):
                return split
    return ""
