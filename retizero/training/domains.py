"""Train on some sources, test on the same or on others, and never on a patient that was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from retizero.data import Manifest, ManifestRow
from retizero.evaluation.truth import FREE, label_id, truth_of
from retizero.knowledge import LabelSet, parse_labels
from retizero.training.errors import ConfigError
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
    train_splits: tuple[str, ...] = ("train",)
    val_splits: tuple[str, ...] = ("val",)
    test_splits: tuple[str, ...] = ("test",)
    labels: str = ""

    @field_validator("train_splits", "val_splits", "test_splits", mode="before")
    @classmethod
    def _some(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        if not isinstance(given, list | tuple) or not given:
            raise ValueError("name at least one split in a list, such as [test]")
        return given

    @property
    def tested_sources(self) -> tuple[str, ...]:
        """Sources tested on; all when empty."""
        return self.test_sources or self.train_sources

    @property
    def asks_for_a_test(self) -> bool:
        """Whether sources or splits to test on are written out, so that there must be some."""
        return not self.model_fields_set.isdisjoint({"test_sources", "test_splits"})


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
    """The candidates of a domain and its three sides; ``val`` may be empty, and ``test`` where it may.

    Attributes:
        labels: The K candidates.
        train: Trained on.
        val: Chosen by.
        test: Tested on.
        unknown: Labels that the catalogue does not know: of its rows where the domain does not ask for them,
            and those it asks for that no row to train on has.
    """

    labels: LabelSet
    train: Part
    val: Part
    test: Part
    unknown: tuple[str, ...] = ()


def divide(manifest: Manifest, domain: Domain, tested: bool = True) -> Partition:
    """Divide the rows of a manifest.

    Args:
        manifest: All rows.
        domain: Which of them are trained on, choose, and are tested on.
        tested: Whether there must be rows to test on also where the domain does not ask for them.

    Raises:
        ConfigError: A source or split does not occur, nothing is left to train or test on, fewer than two
            labels are left, or a group (patient) would stand on both sides.
    """
    _require_known(manifest, domain)
    train = _chosen(manifest, domain.train_sources, domain.train_splits)
    val = _chosen(manifest, domain.train_sources, domain.val_splits)
    test = _chosen(manifest, domain.tested_sources, domain.test_splits)
    if not train:
        raise ConfigError(f"{domain.name}: {manifest.path.name} has no rows to train on.")
    _keep_patients_apart(domain, train, val, test)
    labels = _candidates(domain, train)
    if not test and (tested or domain.asks_for_a_test):
        of = f" of {', '.join(domain.tested_sources)}" if domain.tested_sources else ""
        raise ConfigError(
            f"{domain.name}: {manifest.path.name} has no rows to test on{of} with the split "
            f"{' or '.join(domain.test_splits)}."
        )
    tests = _part(test, labels)
    if test and not tests.rows:
        raise ConfigError(
            f"{domain.name}: none of the {len(test)} rows to test on has a label that is trained; the first, "
            f"row {test[0].row}, is {'; '.join(test[0].labels)}."
        )
    unknown = _unknown((*train, *val, *test), labels, domain.labels)
    return Partition(labels, _part(train, labels), _part(val, labels), tests, unknown)


def notes(partitions: Iterable[tuple[Domain, Partition]]) -> list[str]:
    """Say in sentences which rows of domains are left out, and which labels the catalogue does not know."""
    said: list[str] = []
    unknown: set[str] = set()
    for domain, partition in partitions:
        unknown.update(partition.unknown)
        for part, what in (
            (partition.train, "train on"),
            (partition.val, "choose by"),
            (partition.test, "test on"),
        ):
            if part.left_out:
                every = len(part.rows) + len(part.left_out)
                said.append(
                    f"{domain.name}: {len(part.left_out)} of {every} rows to {what} have no label among "
                    f"the {len(partition.labels)} candidates and are left out; the first: {part.left_out[0]}"
                )
    if unknown:
        said.append(
            f"The catalogue does not know {_quoted(sorted(unknown))}: each counts as a label of its own; "
            "correct what is misspelt."
        )
    return said


def _quoted(texts: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(repr(text) for text in texts[:most])
    return shown if len(texts) <= most else f"{shown} and {len(texts) - most} more labels"


def _require_known(manifest: Manifest, domain: Domain) -> None:
    """Refuse sources, and splits that are written out, which no row has."""
    written = domain.model_fields_set
    named = [name for side in ("train", "val", "test") if (name := f"{side}_splits") in written]
    splits = [split for name in named for split in getattr(domain, name)]
    for kind, asked, known in (
        ("source", (*domain.train_sources, *domain.test_sources), {row.source for row in manifest.rows}),
        ("split", splits, {row.split for row in manifest.rows}),
    ):
        for each in asked:
            if each not in known:
                listed = ", ".join(sorted(known - {""})) or "none"
                raise ConfigError(
                    f"{domain.name}: there is no {kind} {each!r} in {manifest.path.name}; {kind}s are "
                    f"{listed}."
                )


def _unknown(rows: Sequence[ManifestRow], labels: LabelSet, asked: str) -> tuple[str, ...]:
    """Labels of the rows, and asked ones that no row to train on has, that the catalogue does not know."""
    within = frozenset(labels.ids)
    ids = {text: label_id(text, within) for text in {text for row in rows for text in row.labels}}
    found = {text for text, id in ids.items() if id.startswith(FREE) and not (asked and id in within)}
    if asked:
        written = parse_labels(asked)
        untrained = (pair for pair in zip(written.ids, written.names, strict=True) if pair[0] not in within)
        found |= {name for id, name in untrained if id.startswith(FREE)}
    return tuple(sorted(found))


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
        left_out = tuple(
            f"Row {row.row}: {'; '.join(row.labels)} is not among the candidates." for row in rows
        )
        return Part((), empty, np.zeros(0, np.int64), left_out)
    truth = truth_of(rows, labels)
    kept = tuple(rows[index] for index in truth.kept)
    return Part(kept, truth.matrix, np.asarray(truth.primary, np.int64), truth.left_out)


def _any_known(rows: Sequence[ManifestRow], labels: LabelSet) -> bool:
    within = frozenset(labels.ids)
    return any(label_id(text, within) in within for row in rows for text in row.labels)
