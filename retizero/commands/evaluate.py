"""``retizero evaluate``: measure a model on a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from retizero.commands.options import (
    DEFAULT_MODEL,
    Device,
    Json,
    ManifestFile,
    Model,
    Out,
    Source,
    Split,
)
from retizero.commands.output import (
    note_problems,
    only_answers_on_stdout,
    print_json,
    print_rows,
    write_report,
)
from retizero.commands.services import engine_for
from retizero.knowledge import Style

app = typer.Typer(help="Measure a model on a manifest.", no_args_is_help=True, add_completion=False)

Seed = Annotated[int, typer.Option(help="Seed of the bootstrap.")]


@app.callback()
def evaluate() -> None:
    """Measure a model on a manifest."""


@app.command("zero-shot")
def zero_shot(
    context: typer.Context,
    manifest: ManifestFile,
    labels: Annotated[
        str | None,
        typer.Option(help="Candidates: a label set or a file; the manifest's own labels when left out."),
    ] = None,
    split: Split = None,
    source: Source = None,
    prompt_style: Annotated[
        str | None,
        typer.Option(help="How labels are worded: template, name, findings, descriptions, ensemble."),
    ] = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    seed: Seed = 0,
    out: Out = None,
    json_output: Json = False,
) -> None:
    """Rank candidate diagnoses for every image and count how often the right one is among the first."""
    from retizero.data import read_manifest
    from retizero.evaluation import evaluate_zero_shot
    from retizero.knowledge import STYLES, PromptError, parse_labels

    if prompt_style is not None and prompt_style not in STYLES:
        raise PromptError(f"The prompt style {prompt_style!r} is unknown; use one of {', '.join(STYLES)}.")
    rows = read_manifest(manifest).where(split, source)
    candidates = parse_labels(labels) if labels is not None else None
    with only_answers_on_stdout():
        engine = engine_for(context, model, device)
        if prompt_style is not None:
            engine = engine.with_prompt_style(cast(Style, prompt_style))
        report = evaluate_zero_shot(engine, rows, candidates, seed)
    report["protocol"].update(split=split, source=source, prompt_style=prompt_style or "the model's own")
    _deliver(report, out, json_output)


@app.command()
def retrieval(
    context: typer.Context,
    gallery: Annotated[Path, typer.Option(help="Manifest of the images that are searched.")],
    queries: Annotated[
        Path | None, typer.Option(help="Manifest of the images that are asked; leave-one-out without.")
    ] = None,
    split: Split = None,
    source: Source = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    seed: Seed = 0,
    out: Out = None,
    json_output: Json = False,
) -> None:
    """Search a gallery and count how often the nearest images are of the same disease."""
    from retizero.data import read_manifest
    from retizero.evaluation import evaluate_retrieval

    searched = read_manifest(gallery).where(None if queries else split, source)
    asked = read_manifest(queries).where(split, source) if queries else None
    with only_answers_on_stdout():
        report = evaluate_retrieval(engine_for(context, model, device), searched, asked, seed)
    report["protocol"].update(split=split, source=source)
    _deliver(report, out, json_output)


def _deliver(report: dict[str, Any], out: Path | None, json_output: bool) -> None:
    note_problems(report["protocol"]["problems"])
    if out is not None:
        write_report(report, out)
    if json_output:
        print_json(report)
    else:
        print_rows(("measure", "value", "95 % interval", "chance"), _summary(report))


def _summary(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """The headline numbers of a report as rows: measure, value, interval, chance."""
    rows: list[tuple[str, ...]] = []
    for name, measure in report.items():
        chance = report["chance"].get(name)
        if isinstance(measure, dict) and set(measure) == {"value", "ci"}:
            rows.append(_line(name, measure, chance))
        elif name in ("top_k", "hit_at", "precision_at"):
            for k, each in measure.items():
                rows.append(_line(f"{name} {k}", each, chance[k] if isinstance(chance, dict) else chance))
    rows.append(("images", str(report.get("n", report.get("n_queries"))), "", ""))
    return rows


def _line(name: str, measure: dict[str, Any], chance: float | None) -> tuple[str, ...]:
    value = "-" if measure["value"] is None else f"{measure['value']:.3f}"
    interval = "-" if measure["ci"] is None else "{:.3f} to {:.3f}".format(*measure["ci"])
    return name, value, interval, "" if chance is None else f"{chance:.3f}"
