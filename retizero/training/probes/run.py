"""A probe run: features once, then every method for every number of shots in every domain; one table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.data import read_manifest
from retizero.evaluation.answers import Answers, image_ref
from retizero.evaluation.transfer import LEFT_OUT, transfer_row
from retizero.model.image_towers import ImageTower, load_image_tower
from retizero.serving import Engine
from retizero.serving.confidence import fit_temperature, softmax
from retizero.serving.linear_head import LinearHead, StoredHead
from retizero.training.domains import Domain, Part, Partition, divide, notes
from retizero.training.errors import ConfigError
from retizero.training.places import require_places, result_at
from retizero.training.probes.config import ProbeConfig, Shots
from retizero.training.probes.features import Features, cached_features, require_kind
from retizero.training.probes.finished import ROWS, FinishedRows
from retizero.training.probes.head_files import file_stems
from retizero.training.probes.methods import METHODS
from retizero.training.probes.problem import Fitted, Problem
from retizero.training.probes.shots import draw_shots
from retizero.training.row_problems import tell_problems, without_repeats
from retizero.training.running.checkpoint import sole_run
from retizero.training.running.clock import Clock
from retizero.training.transfer_files import write_transfer

ALL = "all"


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    domain: Domain
    method: str
    shots: Shots

    @property
    def key(self) -> str:
        """Names the row."""
        return f"{self.domain.name} | {self.method} | {self.shots}"


def run_probes(config: ProbeConfig, resume: bool = False, strict: bool = False) -> list[dict[str, Any]]:
    """Run every probe of a configuration and write its table.

    Args:
        config: Settings.
        resume: Keep rows that an interrupted run of the same configuration has finished.
        strict: Stop where a row of the manifest cannot be used.

    Returns:
        The rows of the table.

    Raises:
        ValueError: The manifest, the model or a setting cannot be used.
    """
    require_places(config.out, config.cache)
    with sole_run(config.out / ROWS, "out"):
        return _table(config, resume, strict)


def _table(config: ProbeConfig, resume: bool, strict: bool) -> list[dict[str, Any]]:
    """Compute the rows that are missing, keeping each, and write the table."""
    manifest = without_repeats(read_manifest(config.manifest))
    partitions = {domain.name: divide(manifest, domain) for domain in config.domains}
    for note in notes((domain, partitions[domain.name]) for domain in config.domains):
        _tell(note)
    jobs = list(_jobs(config, partitions, _tell))
    tower = load_image_tower(config.model, config.size)
    require_kind(tower, config.features)
    finished = FinishedRows(config, manifest, tower)
    rows = finished.begin(resume, _tell)
    features = cached_features(manifest, tower, config.features, config.cache)
    tell_problems((*manifest.problems, *features.problems), strict, _tell)
    partitions = {name: _readable(name, found, features) for name, found in partitions.items()}
    clock = Clock(len(jobs), sum(job.key in rows for job in jobs))
    for number, job in enumerate(jobs, start=1):
        if job.key in rows:
            continue
        rows[job.key] = _row(config, job, partitions[job.domain.name], tower, features)
        finished.keep(rows)
        top1 = rows[job.key]["measures"]["top1"]["value"]
        _tell(f"{number}/{len(jobs)} {job.key}: Top-1 {top1:.3f}, {clock.left(number)}")
    found = [rows[job.key] for job in jobs]
    with result_at(config.out):
        write_transfer(config.out, found, f"Probes on {tower.identity.id}", config.model_dump(mode="json"))
    finished.drop()
    return found


def _jobs(
    config: ProbeConfig, partitions: Mapping[str, Partition], tell: Callable[[str], None]
) -> Iterator[Job]:
    """List the rows of the table; more shots than every class of a domain has are told and left out.

    Raises:
        ConfigError: Nothing is left of a domain.
    """
    for domain in config.domains:
        most = int(np.bincount(partitions[domain.name].train.primary).max())
        beyond = [shots for shots in config.shots if isinstance(shots, int) and shots > most]
        shots_of = {
            name: [shots for shots in config.shots if shots not in beyond]
            if METHODS[name].reads_photographs
            else [0]
            for name in config.methods
        }
        if beyond and any(METHODS[name].reads_photographs for name in config.methods):
            said = f"{domain.name}: no class has {min(beyond)} photographs to train on, the most is {most}"
            if not any(shots_of.values()):
                raise ConfigError(f"{said}; ask for fewer shots, or for all.")
            tell(f"{said}; the rows of {', '.join(map(str, beyond))} shots are left out.")
        for name, each in shots_of.items():
            for shots in each:
                yield Job(domain, name, shots)


def _row(
    config: ProbeConfig, job: Job, partition: Partition, tower: ImageTower, features: Features
) -> dict[str, Any]:
    sides = _Sides(partition, features, tower, config)
    seeds = config.seeds if isinstance(job.shots, int) and job.shots else config.seeds[:1]
    runs, settings, sizes, head = [], [], [], None
    for seed in seeds:
        problem = sides.problem(job.shots, seed)
        fitted = METHODS[job.method].fit(problem)
        temperature = _temperature(fitted, problem)
        runs.append(sides.answers(fitted, temperature))
        settings.append(fitted.settings)
        sizes.append(len(problem.classes) if METHODS[job.method].reads_photographs else 0)
        if seed == seeds[0] and isinstance(fitted.head, LinearHead):
            head = _save(config, job, fitted.head, problem, temperature, tower)
    facts = {
        "domain": job.domain.name,
        "train_sources": "; ".join(job.domain.train_sources) or ALL,
        "test_sources": "; ".join(job.domain.test_sources or job.domain.train_sources) or ALL,
        "model": tower.identity.id,
        "features": config.features,
        "method": job.method,
        "shots": job.shots,
        "seeds": len(seeds),
        "n_train": round(float(np.mean(sizes))),
        "n_val": len(partition.val.rows),
        "label_set": partition.labels.name,
        "candidates": list(partition.labels.ids),
        "settings": settings,
        "head": head,
        LEFT_OUT: len(partition.test.left_out),
        "weights_sha256": tower.identity.weights_sha256,
    }
    return transfer_row(facts, runs, config.resamples)


class _Sides:
    """Features of a domain's rows by side."""

    def __init__(
        self, partition: Partition, features: Features, tower: ImageTower, config: ProbeConfig
    ) -> None:
        self._partition, self._config = partition, config
        place = {row.row: index for index, row in enumerate(features.rows)}

        def of(part: Part) -> NDArray[np.float64]:
            return features.vectors[[place[row.row] for row in part.rows]].astype(np.float64)

        self._train, self._val, self._test = map(of, (partition.train, partition.val, partition.test))
        self._texts: NDArray[np.float64] | None = None
        self._scale = 1.0
        if config.features == "embedding" and tower.encoder is not None:
            self._texts = Engine(tower.encoder).label_embeddings(partition.labels).astype(np.float64)
            self._scale = tower.encoder.logit_scale

    def problem(self, shots: Shots, seed: int) -> Problem:
        """Draw the training and validation photographs."""
        train, val = self._partition.train, self._partition.val
        chosen, choosing = np.arange(len(train.rows)), np.arange(len(val.rows))
        if isinstance(shots, int) and shots:
            rng = np.random.default_rng([seed, shots])
            few = min(shots, self._config.validation_shots)
            chosen = draw_shots(train.primary, [row.group for row in train.rows], shots, rng)
            choosing = draw_shots(val.primary, [row.group for row in val.rows], few, rng)
        return Problem(
            self._partition.labels,
            self._train[chosen],
            train.primary[chosen],
            self._val[choosing],
            val.primary[choosing],
            self._texts,
            self._scale,
            self._config.choose_by,
        )

    def answers(self, fitted: Fitted, temperature: float) -> Answers:
        """Answer the test photographs."""
        labels, test = self._partition.labels, self._partition.test
        return Answers(
            images=tuple(image_ref(row) for row in test.rows),
            ids=labels.ids,
            names=labels.names,
            scores=softmax(fitted.head.logits(self._test), temperature),
            truth=test.truth,
            primary=test.primary,
            uncertainty=None,
            sets=None,
            coverage=None,
        )


def _temperature(fitted: Fitted, problem: Problem) -> float:
    if not len(problem.val_classes):
        return 1.0
    return fit_temperature(fitted.head.logits(problem.val_features), problem.val_classes)


def _readable(domain: str, partition: Partition, features: Features) -> Partition:
    """Leave out rows whose photograph cannot be read.

    Raises:
        ConfigError: Nothing is left to train or test on.
    """
    read = {row.row for row in features.rows}

    def of(part: Part) -> Part:
        kept = [index for index, row in enumerate(part.rows) if row.row in read]
        rows = tuple(part.rows[index] for index in kept)
        return Part(rows, part.truth[kept], part.primary[kept], part.left_out)

    train, val, test = map(of, (partition.train, partition.val, partition.test))
    if len(set(train.primary.tolist())) < 2:
        raise ConfigError(f"{domain}: photographs to train on can be read of fewer than two labels.")
    if not test.rows:
        raise ConfigError(f"{domain}: none of the photographs to test on can be read.")
    return replace(partition, train=train, val=val, test=test)


def _save(
    config: ProbeConfig, job: Job, head: LinearHead, problem: Problem, temperature: float, tower: ImageTower
) -> str:
    """Write a classifier's file and return its place below ``out``."""
    counts = np.bincount(problem.classes, minlength=len(problem.labels))
    stored = StoredHead(
        head, tower.identity, config.features, job.method, temperature, tuple(int(n) for n in counts)
    )
    stem = file_stems(domain.name for domain in config.domains)[job.domain.name]
    name = f"heads/{stem}-{job.method}-{job.shots}.json"
    with result_at(config.out):
        stored.save(config.out / name)
    return name


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
