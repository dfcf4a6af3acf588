"""``retizero index``: build, change and search a gallery."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retizero.commands.options import (
    DEFAULT_MODEL,
    Device,
    IndexFolder,
    Json,
    ManifestFile,
    Model,
    Source,
    Split,
)
from retizero.commands.output import note, note_problems, only_answers_on_stdout, print_json, print_rows
from retizero.commands.services import engine_for

if TYPE_CHECKING:
    from retizero.data import Manifest, ManifestRow
    from retizero.retrieval import Embedded, Gallery, Record
    from retizero.serving import Engine

app = typer.Typer(help="Build, change and search a gallery.", no_args_is_help=True, add_completion=False)


@app.callback()
def index() -> None:
    """Build, change and search a gallery."""


@app.command()
def build(
    context: typer.Context,
    manifest: ManifestFile,
    index: IndexFolder,
    kind: Annotated[str, typer.Option(help="flat, fp16, ivf or hnsw.")] = "flat",
    split: Split = None,
    source: Source = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    json_output: Json = False,
) -> None:
    """Embed a manifest's images and make a gallery of them; an existing gallery is replaced."""
    from retizero.data import read_manifest
    from retizero.retrieval import Gallery
    from retizero.retrieval.index_kinds import check_kind

    check_kind(kind)
    rows = read_manifest(manifest, labels_required=False).where(split, source)
    with only_answers_on_stdout():
        engine = engine_for(context, model, device)
        embedded, records = _embed(engine, rows, index)
        gallery = Gallery.build(index, embedded.vectors, records, engine.identity, kind)
    _tell(gallery, len(records), rows, embedded, json_output)


@app.command()
def add(
    context: typer.Context,
    manifest: ManifestFile,
    index: IndexFolder,
    split: Split = None,
    source: Source = None,
    model: Annotated[str | None, typer.Option(help="The gallery's own model when left out.")] = None,
    device: Device = "auto",
    json_output: Json = False,
) -> None:
    """Add a manifest's images to a gallery."""
    from retizero.data import read_manifest
    from retizero.retrieval import Gallery

    gallery = Gallery.open(index)
    rows = read_manifest(manifest, labels_required=False).where(split, source)
    with only_answers_on_stdout():
        engine = _own_engine(context, gallery, model, device)
        embedded, records = _embed(engine, rows, index)
        gallery = gallery.add(embedded.vectors, records)
    _tell(gallery, len(records), rows, embedded, json_output)


@app.command()
def remove(
    index: IndexFolder,
    ids: Annotated[list[str], typer.Option("--id", help="Id of an image; may be given several times.")],
    json_output: Json = False,
) -> None:
    """Remove images from a gallery."""
    from retizero.retrieval import Gallery

    gallery = Gallery.open(index).remove(ids)
    if json_output:
        print_json({"removed": len(ids), "n": len(gallery)})
    else:
        note(f"Removed {len(ids)}; the gallery has {len(gallery)} images.")


@app.command()
def info(index: IndexFolder, json_output: Json = False) -> None:
    """Say what is in a gallery."""
    from retizero.retrieval import Gallery

    gallery = Gallery.open(index)
    facts = {
        "n": len(gallery),
        "kind": gallery.kind,
        "dimension": gallery.dimension,
        "groups": len({record.group for record in gallery.records}),
        "synthetic": sum(record.synthetic for record in gallery.records),
        "labels": dict(Counter(record.label for record in gallery.records).most_common()),
        "sources": dict(Counter(record.source for record in gallery.records).most_common()),
        "bytes": sum(file.stat().st_size for file in index.iterdir() if file.is_file()),
        "model": gallery.identity,
    }
    if json_output:
        print_json(facts)
    else:
        model = gallery.identity.get("id", "")
        shown = {**facts, "labels": len({record.label for record in gallery.records}), "model": model}
        print_rows(("fact", "value"), list(shown.items()))


@app.command()
def search(
    context: typer.Context,
    index: IndexFolder,
    image: Annotated[Path | None, typer.Option(help="Photograph to search with.")] = None,
    text: Annotated[str | None, typer.Option(help="Disease or description to search with.")] = None,
    top_k: Annotated[int, typer.Option(min=1, help="How many images to return.")] = 5,
    model: Annotated[str | None, typer.Option(help="The gallery's own model when left out.")] = None,
    device: Device = "auto",
    json_output: Json = False,
) -> None:
    """Find the images of a gallery nearest to a photograph or a text."""
    from retizero.data import read_image
    from retizero.retrieval import Gallery, GalleryError

    if (image is None) == (text is None):
        raise GalleryError("Search with either --image or --text.")
    photograph = read_image(image) if image is not None else None
    gallery = Gallery.open(index)
    with only_answers_on_stdout():
        engine = _own_engine(context, gallery, model, device)
        if photograph is not None:
            vectors = engine.embed_image([photograph])
        else:
            vectors = engine.embed_text([_prompt(engine, text or "")])
        (found,) = gallery.search(vectors, top_k)
    if json_output:
        print_json(
            [
                {"id": each.id, "image": each.image, "label": each.label, "similarity": each.similarity}
                for each in found
            ]
        )
    else:
        rows = [(f"{each.similarity:.3f}", each.label, each.image) for each in found]
        print_rows(("similarity", "label", "image"), rows)


def _own_engine(context: typer.Context, gallery: Gallery, model: str | None, device: str) -> Engine:
    """The engine that made a gallery, or the one asked for where it can be compared with it."""
    engine = engine_for(context, model or str(gallery.identity.get("id", DEFAULT_MODEL)), device)
    gallery.require(engine.identity)
    return engine


def _prompt(engine: Engine, text: str) -> str:
    """A disease's name becomes the model's own prompt; any other text is asked as it is."""
    from retizero.knowledge import load_catalogue
    from retizero.retrieval import GalleryError

    if not text.strip():
        raise GalleryError("The text to search with is empty.")
    name = load_catalogue().resolve(text).name
    return engine.identity.template.format(label=name) if name else text.strip()


def _embed(engine: Engine, manifest: Manifest, folder: Path) -> tuple[Embedded, list[Record]]:
    from retizero.retrieval import GalleryError, embed_rows

    embedded = embed_rows(manifest.rows, engine)
    if not embedded.rows:
        note_problems([*manifest.problems, *embedded.problems])
        raise GalleryError(f"None of the images of {manifest.path} can be read.")
    return embedded, _records(embedded.rows, folder)


def _records(rows: Sequence[ManifestRow], folder: Path) -> list[Record]:
    from retizero.retrieval import Record

    return [
        Record(
            id=row.name,
            image=row.name,
            label=row.label_text,
            group=row.group,
            source=row.source,
            synthetic="synthetic" in row.source.lower(),
            path=os.path.relpath(row.image, folder.resolve()),
        )
        for row in rows
    ]


def _tell(gallery: Gallery, added: int, manifest: Manifest, embedded: Embedded, json_output: bool) -> None:
    problems = [*manifest.problems, *embedded.problems]
    note_problems(problems)
    if json_output:
        print_json(
            {
                "n": len(gallery),
                "added": added,
                "kind": gallery.kind,
                "dimension": gallery.dimension,
                "problems": problems,
                "model": gallery.identity,
            }
        )
    else:
        note(f"The gallery {gallery.directory} has {len(gallery)} images ({gallery.kind}).")
