"""Train on some sources, test on the same or on others, and never on a patient that was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from retizero.data import Manifest, ManifestRow
from retizero.evaluation.truth import label_id, truth_of
from retizero.knowledge import LabelSet, parse_labels
from retizero.training.config import ConfigError
from retizero.training.strict_settings import StrictSettings


class Domain(StrictSettings):
    """Which photographs are trained on, which choose, which are tested on.

    Attributes:
        name: In the table.
        train_sources: Sources trained on; all when empty.
        test_sources: Sources tested on; those trained on when empty.
        train_splits: Splits of the training sources that are trained on.
        val_splits: Splits of the training sources that choose settings and epochs.
        test_splits: Splits of the test sources that are tested on.
        labels: Candidate labels: a label set, a file, or "a; b"; the primary labels of the training rows
            when empty. Labels without a training photograph are left out.
    """

    name: str = Field(default="all sources", min_length=1)
    train_sources: tuple[str, ...] = ()
    test_sources: tuple[str, ...] = ()
    train_splits: tuple[str, ...] = Field(default=("train",), min_length=1)
    val_splits: tuple[str, ...] = Field(default=("val",), min_length=1)
    test_splits: tuple[str, ...] = Field(default=("test",), min_length=1)
    labels: str = ""


@dataclass(frozen=True)
class Part:
    """Rows of one side with their labels.

    Attributes:
        rows: N rows.
        truth: (N, K) whether a candidate is true.
        primary: (N,) index of the primary label.
        left_out: One sentence per row that has no label among the candidates.
    """

    rows: tuple[ManifestRow, ...]
    truth: NDArray[np.bool_]
    primary: NDArray[np.int64]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Partition:
    """The candidates of a domain and its three sides; ``val`` and ``test`` may be empty."""

    labels: LabelSet
    train: Part
    val: Part
    test: Part


def divide(manifest: Manifest, domain: Domain) -> Partition:
    """Divide the rows of a manifest.

    Raises:
        ConfigError: A source does not occur, nothing is left to train on, fewer than two labels are left, or
            a group (patient) would stand on both sides.
    """
    known = {row.source for row in manifest.rows}
    for source in (*domain.train_sources, *domain.test_sources):
        if source not in known:
            listed = ", ".join(sorted(known - {""})) or "none"
            raise ConfigError(
                f"{domain.name}: there is no source {source!r} in {manifest.path.name}; sources are {listed}."
            )
    tested = domain.test_sources or domain.train_sources
    train = _chosen(manifest, domain.train_sources, domain.train_splits)
    val = _chosen(manifest, domain.train_sources, domain.val_splits)
    test = _chosen(manifest, tested, domain.test_splits)
    if not train:
        raise ConfigError(f"{domain.name}: {manifest.path.name} has no rows to train on.")
    _keep_patients_apart(domain, train, val, test)
    labels = _candidates(domain, train)
    return Partition(labels, *(_part(rows, labels) for rows in (train, val, test)))


def _chosen(manifest: Manifest, sources: Sequence[str], splits: Sequence[str]) -> tuple[ManifestRow, ...]:
    return tuple(
        row for row in manifest.rows if row.split in splits and (not sources or row.source in sources)
    )


def _keep_patients_apart(domain: Domain, *sides: Sequence[ManifestRow]) -> None:
    names = ("train", "val", "test")
    groups = [{row.group for row in rows} for rows in sides]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        if both := sorted(groups[first] & groups[second]):
            raise ConfigError(
                f"{domain.name}: {len(both)} groups, the first {both[0]!r}, stand in both {names[first]} and "
                f"{names[second]}; a patient may be on one side only."
            )


def _candidates(domain: Domain, train: Sequence[ManifestRow]) -> LabelSet:
    """The asked labels that some training photograph has, or the primary labels of those photographs."""
    if domain.labels:
        asked = parse_labels(domain.labels)
    else:
        texts = {label_id(row.label): row.label for row in train}
        if len(texts) < 2:
            raise ConfigError(f"{domain.name}: the training rows have fewer than two labels.")
        asked = parse_labels("\n".join(texts[id] for id in sorted(texts)))
    primary = truth_of(train, asked).primary
    places = sorted(set(primary.tolist()))
    if len(places) < 2:
        raise ConfigError(f"{domain.name}: the training rows have fewer than two of the labels.")
    return LabelSet(
        name=asked.name if len(places) == len(asked) else f"{asked.name}, {len(places)} of {len(asked)}",
        version=asked.version,
        title=asked.title,
        title_zh=asked.title_zh,
        ids=tuple(asked.ids[place] for place in places),
        names=tuple(asked.names[place] for place in places),
        nested=asked.nested,
    )


def _part(rows: tuple[ManifestRow, ...], labels: LabelSet) -> Part:
    if not rows or not _any_known(rows, labels):
        empty = np.zeros((0, len(labels)), np.bool_)
        left_out = tuple(f"Row {row.row} has no candidate." for row in rows)
        return Part((), empty, np.zeros(0, np.int64), left_out)
    truth = truth_of(rows, labels)
    kept = tuple(rows[index] for index in truth.kept)
    return Part(kept, truth.matrix, np.asarray(truth.primary, np.int64), truth.left_out)


def _any_known(rows: Sequence[ManifestRow], labels: LabelSet) -> bool:
    within = frozenset(labels.ids)
    return any(label_id(text, within) in within for row in rows for text in row.labels)
