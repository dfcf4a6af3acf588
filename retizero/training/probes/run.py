"""A probe run: features once, then every method for every number of shots in every domain; one table."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.data import Manifest, read_manifest
from retizero.data.atomic_write import atomic_write_text
from retizero.evaluation.answers import Answers, image_ref
from retizero.evaluation.transfer import transfer_row
from retizero.model.image_towers import ImageTower, load_image_tower
from retizero.serving import Engine
from retizero.serving.confidence import fit_temperature, softmax
from retizero.serving.linear_head import LinearHead, StoredHead
from retizero.training.checkpoint import CheckpointError
from retizero.training.clock import Clock
from retizero.training.config import ConfigError
from retizero.training.domains import Domain, Part, Partition, divide
from retizero.training.probes.config import ProbeConfig, Shots
from retizero.training.probes.features import Features, cached_features
from retizero.training.probes.methods import METHODS
from retizero.training.probes.problem import Fitted, Problem
from retizero.training.probes.shots import draw_shots
from retizero.training.row_problems import tell_problems, without_repeats
from retizero.training.transfer_files import write_transfer

_DONE = "rows.partial.json"
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
    manifest = without_repeats(read_manifest(config.manifest))
    partitions = {domain.name: divide(manifest, domain) for domain in config.domains}
    tower = load_image_tower(config.model, config.size)
    features = cached_features(manifest, tower, config.features, config.cache)
    tell_problems((*manifest.problems, *features.problems), strict, _tell)
    rows = _finished(config, manifest, tower, resume)
    jobs = list(_jobs(config))
    clock = Clock(len(jobs), sum(job.key in rows for job in jobs))
    partitions = {name: _readable(found, features) for name, found in partitions.items()}
    for number, job in enumerate(jobs, start=1):
        if job.key in rows:
            continue
        rows[job.key] = _row(config, job, partitions[job.domain.name], tower, features)
        _keep(config, manifest, tower, rows)
        top1 = rows[job.key]["measures"]["top1"]["value"]
        _tell(f"{number}/{len(jobs)} {job.key}: Top-1 {top1:.3f}, {clock.left(number)}")
    found = [rows[job.key] for job in jobs]
    write_transfer(config.out, found, f"Probes on {tower.identity.id}", config.model_dump(mode="json"))
    (config.out / _DONE).unlink(missing_ok=True)
    return found


def _jobs(config: ProbeConfig) -> Iterator[Job]:
    for domain in config.domains:
        for name in config.methods:
            if not METHODS[name].reads_photographs:
                yield Job(domain, name, 0)
                continue
            for shots in config.shots:
                yield Job(domain, name, shots)


def _row(
    config: ProbeConfig, job: Job, partition: Partition, tower: ImageTower, features: Features
) -> dict[str, Any]:
    sides = _Sides(partition, features, tower, config)
    seeds = config.seeds if isinstance(job.shots, int) and job.shots else config.seeds[:1]
    runs, settings, sizes = [], [], []
    for seed in seeds:
        problem = sides.problem(job.shots, seed)
        fitted = METHODS[job.method].fit(problem)
        temperature = _temperature(fitted, problem)
        runs.append(sides.answers(fitted, temperature))
        settings.append(fitted.settings)
        sizes.append(len(problem.classes) if METHODS[job.method].reads_photographs else 0)
        if seed == seeds[0] and isinstance(fitted.head, LinearHead):
            _save(config, job, fitted.head, problem, temperature, tower)
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
        "test_rows_without_candidate": len(partition.test.left_out),
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


def _readable(partition: Partition, features: Features) -> Partition:
    """Leave out rows whose photograph cannot be read.

    Raises:
        ConfigError: Nothing is left to train or test on.
    """
    read = {row.row for row in features.rows}

    def of(part: Part) -> Part:
        kept = [index for index, row in enumerate(part.rows) if row.row in read]
        rows = tuple(part.rows[index] for index in kept)
        return Part(rows, part.truth[kept], part.primary[kept], part.left_out)

    found = Partition(partition.labels, of(partition.train), of(partition.val), of(partition.test))
    if not found.train.rows or not found.test.rows:
        raise ConfigError("No photograph is left to train on, or none with a candidate label to test on.")
    return found


def _save(
    config: ProbeConfig, job: Job, head: LinearHead, problem: Problem, temperature: float, tower: ImageTower
) -> None:
    counts = np.bincount(problem.classes, minlength=len(problem.labels))
    stored = StoredHead(
        head, tower.identity, config.features, job.method, temperature, tuple(int(n) for n in counts)
    )
    name = re.sub(r"[^A-Za-z0-9.+-]+", "_", f"{job.domain.name}-{job.method}-{job.shots}")
    stored.save(config.out / "heads" / f"{name}.json")


def _fingerprint(config: ProbeConfig, manifest: Manifest, tower: ImageTower) -> str:
    deciding = config.model_dump(mode="json", exclude={"out", "cache"})
    digest = hashlib.sha256(json.dumps([deciding, tower.identity.to_dict()], sort_keys=True).encode())
    for row in manifest.rows:
        digest.update(json.dumps([row.name, row.labels, row.group, row.source, row.split]).encode())
    return digest.hexdigest()


def _finished(
    config: ProbeConfig, manifest: Manifest, tower: ImageTower, resume: bool
) -> dict[str, dict[str, Any]]:
    path = config.out / _DONE
    if not resume or not path.exists():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))
    if kept["run"] != _fingerprint(config, manifest, tower):
        raise CheckpointError(
            f"{path} was written with other settings or photographs; start without --resume."
        )
    rows: dict[str, dict[str, Any]] = kept["rows"]
    return rows


def _keep(config: ProbeConfig, manifest: Manifest, tower: ImageTower, rows: dict[str, Any]) -> None:
    document = {"run": _fingerprint(config, manifest, tower), "rows": rows}
    atomic_write_text(config.out / _DONE, json.dumps(document) + "\n")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
