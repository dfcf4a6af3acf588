"""Benchmark runs: one after the other in the background, results kept in the data folder."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from retizero.data import Manifest, read_manifest
from retizero.data.atomic_write import atomic_write_text
from retizero.evaluation import (
    compare_results,
    evaluate_retrieval,
    evaluate_zero_shot,
    protocol_names,
    retrieval_protocol,
    zero_shot_protocol,
)
from retizero.knowledge import Style, parse_labels
from retizero.serving import Engine

TASKS = ("zero-shot", "retrieval")
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
EngineLoader = Callable[[str], Engine]


class RunStopped(Exception):
    """Someone stopped the run."""


@dataclass(frozen=True)
class Order:
    """What was asked for.

    Attributes:
        manifest: Its name on the page.
        split: Use only rows of this split; all where empty.
        models: Ids of known models.
        task: ``zero-shot`` or ``retrieval``.
        protocol: Name of a protocol of that task.
        by: Who asked.
    """

    manifest: str
    split: str
    models: tuple[str, ...]
    task: str
    protocol: str
    by: str


@dataclass(frozen=True)
class Run:
    """A benchmark that waits, runs, is done, was stopped, or failed.

    Attributes:
        id: Time and a random part, also the name of its file.
        order: What was asked for.
        state: ``waiting``, ``running``, ``done``, ``stopped`` or ``failed``.
        model: The model being measured.
        done: Images embedded so far.
        total: Images to embed in all.
        problem: Why it failed, in an English sentence; the page puts it into its language.
        results: Name of each result, a model or a comparison, and what ``retizero evaluate`` gives.
    """

    id: str
    order: Order
    state: str = "waiting"
    model: str = ""
    done: int = 0
    total: int = 0
    problem: str = ""
    results: dict[str, dict[str, Any]] = field(default_factory=dict)


class CountedEngine:
    """An engine that counts the photographs it embeds, and stops where it is told to."""

    def __init__(self, engine: Engine, count: Callable[[int], None]) -> None:
        self._engine = engine
        self._count = count

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the engine has
        return getattr(self._engine, name)

    def embed_image(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed as the engine does."""
        vectors = self._engine.embed_image(images)
        self._count(len(images))
        return vectors


class BenchmarkRuns:
    """All runs of a server. Thread-safe.

    Args:
        folder: Where results are kept.
        load: Gives the engine of a model.
    """

    def __init__(self, folder: Path, load: EngineLoader) -> None:
        self._folder = folder
        self._load = load
        self._runs: dict[str, Run] = {}
        self._stopped: set[str] = set()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def begin(self, order: Order, manifest: Path) -> Run:
        """Queue a run; one is measured at a time.

        Raises:
            ValueError: The manifest cannot be read, or has no such split; the message is for the page.
        """
        rows = read_manifest(manifest)
        rows = rows.where(order.split or None)
        number = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
        run = Run(number, order, total=len(rows) * len(order.models))
        self._change(run)
        # A daemon: a server that ends does not wait for it, and only finished results are on disk.
        threading.Thread(target=self._measure, args=(run.id, rows), daemon=True).start()
        return run

    def get(self, id: str) -> Run | None:
        """A run by id, from memory or from its file; None where there is none."""
        with self._lock:
            if id in self._runs:
                return self._runs[id]
        return self._read(self._folder / f"{id}.json") if _ID.fullmatch(id) else None

    def all(self) -> tuple[Run, ...]:
        """All runs, the latest first."""
        with self._lock:
            known = dict(self._runs)
        for file in self._folder.glob("*.json"):
            if file.stem not in known and _ID.fullmatch(file.stem) and (run := self._read(file)):
                known[run.id] = run
        return tuple(known[id] for id in sorted(known, reverse=True))

    def stop(self, id: str) -> None:
        """Ask a run to end before its next batch of photographs."""
        with self._lock:
            if id in self._runs and self._runs[id].state in ("waiting", "running"):
                self._stopped.add(id)

    def _measure(self, id: str, manifest: Manifest) -> None:
        order = self._runs[id].order
        results: dict[str, dict[str, Any]] = {}
        try:
            with self._turn:
                for model in order.models:
                    self._check(id)
                    self._change(replace(self._runs[id], state="running", model=model))
                    results[model] = evaluate(
                        self._load(model), manifest, order, lambda n: self._count(id, n)
                    )
                for first, second in combinations(order.models, 2):
                    results[f"{first} - {second}"] = compare_results(results[first], results[second])
            finished = replace(self._runs[id], state="done", results=results)
            atomic_write_text(self._folder / f"{id}.json", _to_json(finished))
            self._change(finished)
        except RunStopped:
            self._change(replace(self._runs[id], state="stopped"))
        except ValueError as error:
            self._change(replace(self._runs[id], state="failed", problem=str(error)))
        except Exception as error:
            self._change(replace(self._runs[id], state="failed", problem=f"{type(error).__name__}: {error}"))

    def _count(self, id: str, number: int) -> None:
        self._check(id)
        run = self._runs[id]
        self._change(replace(run, done=run.done + number))

    def _check(self, id: str) -> None:
        with self._lock:
            if id in self._stopped:
                raise RunStopped

    def _change(self, run: Run) -> None:
        with self._lock:
            self._runs[run.id] = run

    def _read(self, file: Path) -> Run | None:
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            order = kept["order"]
            order["models"] = tuple(order["models"])
            images = int(kept["images"])
            return Run(file.stem, Order(**order), "done", "", images, images, "", kept["results"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def evaluate(
    engine: Engine, manifest: Manifest, order: Order, count: Callable[[int], None]
) -> dict[str, Any]:
    """Measure one model as ``retizero evaluate`` does; ``count`` is told of embedded photographs."""
    if order.task == "retrieval":
        counted: Any = CountedEngine(engine, count)
        return evaluate_retrieval(counted, manifest, protocols=[retrieval_protocol(order.protocol)])
    rules = zero_shot_protocol(order.protocol)
    if rules.prompt_style is not None:
        engine = engine.with_prompt_style(cast(Style, rules.prompt_style))
    labels = parse_labels(rules.labels) if rules.labels else None
    counted = CountedEngine(engine, count)
    return evaluate_zero_shot(counted, manifest, labels, protocol=rules)


def protocols() -> Iterator[tuple[str, str, str]]:
    """Every protocol: its task, its name and what it does."""
    for name in protocol_names("zero-shot"):
        yield "zero-shot", name, zero_shot_protocol(name).title
    for name in protocol_names("retrieval"):
        rules = retrieval_protocol(name)
        if rules.similarity == "cosine" or importlib.util.find_spec("umap"):
            yield "retrieval", name, rules.title


def _to_json(run: Run) -> str:
    order = run.order
    content = {"order": {**vars(order), "models": list(order.models)}, "images": run.total}
    return json.dumps({**content, "results": run.results}, ensure_ascii=False, allow_nan=False) + "\n"
