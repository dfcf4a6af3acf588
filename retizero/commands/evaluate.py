"""``retizero evaluate``: measure a model on a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from retizero.commands.classify import CLASSIFIER_HELP, model_given
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
from retizero.data.atomic_write import atomic_write_text
from retizero.knowledge import Style

app = typer.Typer(help="Measure a model on a manifest.", no_args_is_help=True, add_completion=False)

if TYPE_CHECKING:
    from retizero.data import Manifest

Seed = Annotated[int, typer.Option(help="Seed of the bootstrap.")]
Html = Annotated[Path | None, typer.Option(help="Write the report as one HTML file with figures.")]
Markdown = Annotated[Path | None, typer.Option(help="Write the report's tables as Markdown.")]


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
    protocol: Annotated[
        str, typer.Option(help="plain, demo14, common15, broad52, broad52-ensemble, or a YAML file.")
    ] = "plain",
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
    html: Html = None,
    markdown: Markdown = None,
    json_output: Json = False,
) -> None:
    """Rank candidate diagnoses for every image and count how often the right one is among the first."""
    from retizero.evaluation import evaluate_zero_shot, zero_shot_protocol
    from retizero.knowledge import STYLES, PromptError, parse_labels

    if prompt_style is not None and prompt_style not in STYLES:
        raise PromptError(f"The prompt style {prompt_style!r} is unknown; use one of {', '.join(STYLES)}.")
    rules = zero_shot_protocol(protocol)
    rows = _rows(manifest, split, source)
    style = prompt_style or rules.prompt_style
    candidates = labels or rules.labels
    with only_answers_on_stdout():
        engine = engine_for(context, model, device)
        if style is not None:
            engine = engine.with_prompt_style(cast(Style, style))
        among = parse_labels(candidates) if candidates else None
        report = evaluate_zero_shot(engine, rows, among, seed, rules)
    report["protocol"].update(split=split, source=source, prompt_style=style or "the model's own")
    _deliver(report, out, html, markdown, json_output)


@app.command()
def classifier(
    context: typer.Context,
    classifier: Annotated[Path, typer.Argument(help=CLASSIFIER_HELP)],
    manifest: ManifestFile,
    split: Split = None,
    source: Source = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    seed: Seed = 0,
    out: Out = None,
    html: Html = None,
    markdown: Markdown = None,
    json_output: Json = False,
) -> None:
    """Let a trained classifier rank its classes for every image; measured as zero-shot is."""
    from retizero.evaluation import evaluate_zero_shot
    from retizero.serving.classifier import Classifier

    rows = _rows(manifest, split, source)
    with only_answers_on_stdout():
        trained = Classifier.load(classifier, device, model_given(context, model))
        report = evaluate_zero_shot(trained, rows, trained.labels, seed)
    report["protocol"].update(split=split, source=source, task="classification by a trained classifier")
    _deliver(report, out, html, markdown, json_output)


@app.command()
def retrieval(
    context: typer.Context,
    gallery: Annotated[Path, typer.Option(help="Manifest of the images that are searched.")],
    queries: Annotated[
        Path | None, typer.Option(help="Manifest of the images that are asked; leave-one-out without.")
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="cosine, official, official-by-group, or a YAML file; give it again for another one beside "
            "the first; cosine when left out."
        ),
    ] = None,
    split: Split = None,
    source: Source = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    seed: Seed = 0,
    out: Out = None,
    html: Html = None,
    markdown: Markdown = None,
    json_output: Json = False,
) -> None:
    """Search a gallery and count how often the nearest images are of the same disease."""
    from retizero.evaluation import evaluate_retrieval, retrieval_protocol

    rules = [retrieval_protocol(each) for each in dict.fromkeys(protocol or ["cosine"])]
    searched = _rows(gallery, None if queries else split, source)
    asked = _rows(queries, split, source) if queries else None
    with only_answers_on_stdout():
        report = evaluate_retrieval(engine_for(context, model, device), searched, asked, seed, rules)
    report["protocol"].update(split=split, source=source)
    _deliver(report, out, html, markdown, json_output)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Result of one model, written with --out.")],
    second: Annotated[Path, typer.Argument(help="Result of another model on the same images.")],
    seed: Seed = 0,
    out: Out = None,
    html: Html = None,
    markdown: Markdown = None,
    json_output: Json = False,
) -> None:
    """Compare two models on the same images: paired differences with intervals, and McNemar's test."""
    from retizero.evaluation import compare_results, read_result

    report = compare_results(read_result(first), read_result(second), seed)
    _deliver(report, out, html, markdown, json_output)


@app.command()
def explain(
    context: typer.Context,
    manifest: ManifestFile,
    labels: Annotated[
        str | None,
        typer.Option(help="Candidates: a label set or a file; the manifest's own labels when left out."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Photographs in the random sample.")] = 60,
    method: Annotated[str, typer.Option(help="auto, relevance, rollout or cam.")] = "auto",
    contrast: Annotated[
        bool, typer.Option(help="Explain what tells the answer apart from the other candidates.")
    ] = True,
    steps: Annotated[int, typer.Option(min=2, help="Parts that go or come one after the other.")] = 10,
    split: Split = None,
    source: Source = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    seed: Seed = 0,
    out: Out = None,
    html: Html = None,
    markdown: Markdown = None,
    json_output: Json = False,
) -> None:
    """Check evidence maps by deletion and insertion against maps that know nothing."""
    from retizero.evaluation import evaluate_explanations
    from retizero.knowledge import parse_labels
    from retizero.serving.evidence import Method

    rows = _rows(manifest, split, source)
    among = parse_labels(labels) if labels else None
    with only_answers_on_stdout():
        report = evaluate_explanations(
            engine_for(context, model, device),
            rows,
            among,
            images=images,
            method=cast(Method, method),
            contrast=contrast,
            steps=steps,
            seed=seed,
        )
    report["protocol"].update(split=split, source=source)
    _deliver(report, out, html, markdown, json_output)


@app.command()
def leakage(
    train: Annotated[Path, typer.Option(help="Manifest that a model was trained on.")],
    test: Annotated[Path, typer.Option(help="Manifest that it is measured on.")],
    train_split: Annotated[str | None, typer.Option(help="Use only rows of this split.")] = None,
    test_split: Annotated[str | None, typer.Option(help="Use only rows of this split.")] = None,
    out: Out = None,
    html: Html = None,
    markdown: Markdown = None,
    json_output: Json = False,
) -> None:
    """Look for photographs and patients of a test manifest in a training manifest."""
    from retizero.evaluation import find_leakage

    report = find_leakage(_rows(train, train_split, None), _rows(test, test_split, None))
    _deliver(report, out, html, markdown, json_output)


@app.command()
def show(
    result: Annotated[Path, typer.Argument(help="Result written with --out.")],
    html: Html = None,
    markdown: Markdown = None,
) -> None:
    """Print a result again, or write it as HTML or Markdown, without measuring anything."""
    from retizero.evaluation import read_result

    _deliver(read_result(result), None, html, markdown, json_output=False)


def _rows(manifest: Path, split: str | None, source: str | None) -> Manifest:
    from retizero.data import read_manifest

    return read_manifest(manifest).where(split, source)


def _deliver(
    report: dict[str, Any], out: Path | None, html: Path | None, markdown: Path | None, json_output: bool
) -> None:
    """Write what was asked for; answers image by image go into the file only."""
    from retizero.evaluation.documents import to_html, to_markdown
    from retizero.evaluation.tables import headline, report_words

    note_problems(report["protocol"]["problems"])
    if out is not None:
        write_report(report, out)
    if html is not None:
        atomic_write_text(html, to_html(report))
    if markdown is not None:
        atomic_write_text(markdown, to_markdown(report))
    if json_output:
        print_json(_without_images(report))
    else:
        table = headline(report, report_words())
        print_rows(table.header, table.rows)


def _without_images(report: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in report.items() if key != "images"}
    if "other_protocols" in kept:
        kept["other_protocols"] = {
            name: _without_images(part) for name, part in kept["other_protocols"].items()
        }
    return kept
