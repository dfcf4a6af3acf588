"""``retizero knowledge``: count, look up, show, export, check and review the catalogue."""

import json
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from retizero.knowledge.catalogue import load_catalogue
from retizero.knowledge.entries import Disease
from retizero.knowledge.errors import KnowledgeError, ReviewError, UnknownDisease
from retizero.knowledge.export import statistics, to_csv, to_record
from retizero.knowledge.label_sets import label_set, label_sets

app = typer.Typer(help="The catalogue of fundus diseases.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
P = ParamSpec("P")


class ExportFormat(StrEnum):
    """What ``export`` writes."""

    json = "json"
    csv = "csv"


def _told(command: Callable[P, None]) -> Callable[P, None]:
    """Turn a user's mistake into one sentence on stderr and exit status 2."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KnowledgeError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error

    return run


@app.command()
@_told
def stats(as_json: Json = False) -> None:
    """Count entries, synonyms, descriptions, groups and label sets."""
    counts = statistics(load_catalogue())
    if as_json:
        _print(counts)
        return
    for name, value in counts.items():
        if isinstance(value, dict):
            typer.echo(f"{name}:")
            for part, count in value.items():
                typer.echo(f"  {part:<18}{count:>6}")
        else:
            typer.echo(f"{name:<20}{value!s:>6}")


@app.command()
@_told
def resolve(
    text: Annotated[str, typer.Argument(help="A diagnosis in English or Chinese, an abbreviation, an id.")],
    labels: Annotated[str | None, typer.Option(help="Label set that decides between meanings.")] = None,
    as_json: Json = False,
) -> None:
    """Find the entry that a text names."""
    found = load_catalogue().resolve(text, label_set(labels).ids if labels else None)
    if as_json:
        _print(found.to_json())
    elif found.id:
        typer.echo(f"{found.id}  {found.name}  {found.name_zh}  ({found.match})")
    elif found.candidates:
        typer.echo(f"{text!r} can mean: {', '.join(found.candidates)}")
    else:
        typer.echo(f"{text!r} is not in the catalogue.")


@app.command()
@_told
def show(
    entry: Annotated[str, typer.Argument(help="An id, name, synonym or abbreviation.")],
    as_json: Json = False,
) -> None:
    """Print one entry with its signs, descriptions and look-alikes."""
    catalogue = load_catalogue()
    found = catalogue.resolve(entry)
    if found.id is None:
        hint = found.candidates or tuple(disease.id for disease in catalogue.suggest(entry, 3))
        raise UnknownDisease(
            f"No single entry is named {entry!r}" + (f"; perhaps {', '.join(hint)}." if hint else ".")
        )
    disease = catalogue[found.id]
    if as_json:
        _print(to_record(disease))
    else:
        _show(disease)


@app.command()
@_told
def sets(
    name: Annotated[str | None, typer.Argument(help="One set, to list its labels.")] = None,
    as_json: Json = False,
) -> None:
    """List the named label sets, or the labels of one."""
    if name is None:
        chosen = [label_set(one) for one in label_sets()]
        rows = [
            {
                "name": s.name,
                "version": s.version,
                "title": s.title,
                "title_zh": s.title_zh,
                "labels": len(s),
                "nested": s.nested,
            }
            for s in chosen
        ]
        if as_json:
            _print(rows)
        else:
            for row in rows:
                typer.echo(f"{row['name']:<12}{row['labels']:>5}  v{row['version']:<14}{row['title']}")
        return
    one = label_set(name)
    labels = [
        {"id": id, "name": text, "name_zh": zh}
        for id, text, zh in zip(one.ids, one.names, one.names_zh, strict=True)
    ]
    if as_json:
        _print(
            {
                "name": one.name,
                "version": one.version,
                "title": one.title,
                "title_zh": one.title_zh,
                "labels": labels,
            }
        )
    else:
        for label in labels:
            typer.echo(f"{label['id']:<60}{label['name']}  {label['name_zh']}")


@app.command()
@_told
def export(
    format: Annotated[ExportFormat, typer.Option("--format", help="json or csv")] = ExportFormat.json,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; standard output without it.")
    ] = None,
) -> None:
    """Write the whole catalogue as JSON or CSV."""
    catalogue = load_catalogue()
    if format is ExportFormat.csv:
        text = to_csv(catalogue)
    else:
        records = [to_record(disease) for disease in catalogue.diseases]
        text = (
            json.dumps({"version": catalogue.version, "diseases": records}, ensure_ascii=False, indent=1)
            + "\n"
        )
    if out is None:
        typer.echo(text, nl=False)
        return
    beside = out.with_name(out.name + ".part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(out)
    except OSError as error:
        raise KnowledgeError(f"The file {out} cannot be written: {error.strerror}.") from error


@app.command()
@_told
def review(
    entry: Annotated[str | None, typer.Argument(help="Id of the entry; without it, the progress.")] = None,
    by: Annotated[str, typer.Option(help="Full name of the clinician who read the entry.")] = "",
    comment: Annotated[str, typer.Option(help="What was checked, against what.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take a sign-off back.")] = False,
) -> None:
    """Sign an entry off (or take the signature back); any later edit of the entry makes it unreviewed."""
    from retizero.knowledge import review as reviewing

    if entry is None:
        counts = statistics(load_catalogue())
        typer.echo(f"{counts['reviewed']} of {counts['diseases']} entries are signed off.")
        return
    if withdraw:
        reviewing.withdraw(entry)
        typer.echo(f"The sign-off of {entry} is withdrawn.")
        return
    if not by:
        raise ReviewError("A sign-off needs the full name of the person who read the entry (--by).")
    signed = reviewing.sign_off(entry, by, comment)
    typer.echo(f"{entry} is signed off by {signed.by} at {signed.at} for content {signed.content_hash}.")


@app.command()
def check() -> None:
    """Run every check of the catalogue; exit status 1 when a problem is found."""
    from retizero.knowledge.validation import main

    raise typer.Exit(1 if main([], typer.echo) else 0)


def _print(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def _show(disease: Disease) -> None:
    catalogue = load_catalogue()
    state = "reviewed" if disease.reviewed else "not yet reviewed by a clinician"
    typer.echo(f"{disease.name}  {disease.name_zh}  [{disease.id}]  ({state})")
    listed = {
        "synonyms": ", ".join((*disease.abbreviations, *disease.synonyms, *disease.synonyms_zh)),
        "group": disease.group,
        "parents": ", ".join(disease.parents),
        "ICD-10-CM": ", ".join(disease.icd10),
        "gene": disease.gene or "",
        "rarity": disease.rarity,
        "laterality": disease.laterality,
        "signs": ", ".join(catalogue.signs[sign].name for sign in disease.signs if sign in catalogue.signs),
    }
    for name, value in listed.items():
        if value:
            typer.echo(f"  {name}: {value}")
    for text in disease.descriptions:
        typer.echo(f"  - {text}")
    for item in disease.look_alikes:
        typer.echo(f"  not {catalogue[item.id].name if item.id in catalogue else item.id}: {item.difference}")
    typer.echo(f"  note: {disease.note}")


if __name__ == "__main__":
    app()
