"""``make benchmarks MANIFEST=...``: measure models on a manifest and write docs/benchmarks.md.

The results themselves, with every image's scores, go to ``build/benchmarks/`` and are measured again only for
another model, manifest or version of a protocol.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from retizero.commands.services import load_real_engine
from retizero.data import Manifest, read_manifest
from retizero.evaluation import (
    evaluate_retrieval,
    evaluate_zero_shot,
    find_leakage,
    read_result,
    retrieval_protocol,
    zero_shot_protocol,
)
from retizero.evaluation.documents import markdown_table, method_of
from retizero.evaluation.protocols import described
from retizero.evaluation.tables import report_words, tables_of
from retizero.knowledge import parse_labels

HERE = Path(__file__).parent
RESULTS = HERE.parent / "build/benchmarks"
ZERO_SHOT = ("plain", "common15", "broad52")
RETRIEVAL = ("cosine", "official", "official-by-group")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="with the splits train and test")
    parser.add_argument("--model", action="append", help="may be given several times; retizero-mini without")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args(arguments)
    manifest = read_manifest(asked.manifest)
    parts = [
        "# Benchmarks",
        "Written by `make benchmarks MANIFEST=...` from its results, never by hand. Research numbers: they "
        "say how a model does on this manifest's test split, not how it does on patients elsewhere.",
        leakage(manifest),
    ]
    for model in asked.model or ["retizero-mini"]:
        parts += measured(model, asked.device, manifest)
    (HERE / "benchmarks.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def measured(model: str, device: str, manifest: Manifest) -> list[str]:
    """The sections of one model."""
    engine: Any = load_real_engine(model, device)
    identity = engine.identity.to_dict()
    train, test = manifest.where("train"), manifest.where("test")
    parts = [
        f"## {identity['title']}",
        f"`{identity['id']}`, weights `{identity['weights_sha256'][:12]}`. "
        f"Trained on: {identity['trained_on']}",
    ]
    for name in ZERO_SHOT:
        protocol = zero_shot_protocol(name)
        labels = parse_labels(protocol.labels) if protocol.labels else None
        result = kept(
            f"{identity['id']}-{name}",
            [identity, described(protocol), names_of(test)],
            partial(evaluate_zero_shot, engine, test, labels, protocol=protocol),
        )
        parts += section(
            f"Zero-shot, protocol {name}: {protocol.title}", result, details=name == ZERO_SHOT[0]
        )
    protocols = [retrieval_protocol(name) for name in RETRIEVAL]
    key = [identity, [described(each) for each in protocols], names_of(test), names_of(train)]
    search = partial(evaluate_retrieval, engine, train, test, protocols=protocols)
    result = kept(f"{identity['id']}-retrieval", key, search)
    return [
        *parts,
        *section("Retrieval: the test split asked against the train split", result, details=False),
    ]


def leakage(manifest: Manifest) -> str:
    """Whether the test split was trained on."""
    train, test = manifest.where("train"), manifest.where("test")
    found = kept("leakage", [names_of(train), names_of(test)], partial(find_leakage, train, test))
    tables = [table for table in tables_of(found, report_words()) if table.rows]
    return "## Leakage check, train split against test split\n\n" + "\n\n".join(
        map(markdown_table, tables[:1])
    )


def section(title: str, result: dict[str, Any], *, details: bool) -> list[str]:
    """Title, headline table, further tables where wanted, and how it was measured."""
    tables = [table for table in tables_of(result, report_words()) if table.rows]
    parts = [f"### {title}", markdown_table(tables[0])]
    if details:
        parts += [f"#### {table.title}\n\n{markdown_table(table)}" for table in tables[1:]]
    method = "\n".join(f"- {key}: {text}" for key, text in method_of(result) if key != "names")
    return [*parts, f"<details><summary>How it was measured</summary>\n\n{method}\n\n</details>"]


def names_of(manifest: Manifest) -> str:
    """Identify the rows of a manifest."""
    rows = "\n".join(f"{row.name} {row.label_text} {row.group}" for row in manifest.rows)
    return hashlib.sha256(rows.encode()).hexdigest()


def kept(name: str, key: list[Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A result computed before for the same key, or a new one."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:12]
    path = RESULTS / f"{name}-{digest}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(compute(), indent=1, ensure_ascii=False), encoding="utf-8")
    return read_result(path)


if __name__ == "__main__":
    main()
