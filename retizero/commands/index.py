"""``retizero index``: build, change and search a gallery."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retizero.commands.options import (
    DEFAULT_MODEL,
    Device,
    IndexPlace,
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
    from retizero.retrieval import Embedded, Gallery, Neighbour, Record
    from retizero.serving import Engine

app = typer.Typer(help="Build, change and search a gallery.", no_args_is_help=True, add_completion=False)


@app.callback()
def index() -> None:
    """Build, change and search a gallery."""


Values = list[str] | None


@app.command()
def build(
    context: typer.Context,
    index: IndexPlace,
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns image,label[,group][,source][,site][,split]."),
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option(help="Folder that `retizero embed` wrote, instead of a manifest.")
    ] = None,
    kind: Annotated[str, typer.Option(help="flat, fp16, ivf or hnsw.")] = "flat",
    split: Split = None,
    source: Source = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    json_output: Json = False,
) -> None:
    """Embed a manifest's images and make a gallery of them; an existing gallery is replaced."""
    from retizero.data import read_manifest
    from retizero.retrieval import Gallery, GalleryError
    from retizero.retrieval.index_kinds import check_kind
    from retizero.retrieval.shards import read_shards

    check_kind(kind)
    if (manifest is None) == (embeddings is None):
        raise GalleryError("Build from either --manifest or --embeddings.")
    if embeddings is not None:
        read = read_shards(embeddings)
        records = _placed(read.records, [embeddings / record.path for record in read.records], index)
        gallery = Gallery.build(index, read.vectors, records, read.identity, kind)
        _tell(gallery, len(records), read.problems, (), json_output)
        return
    assert manifest is not None
    rows = read_manifest(manifest, labels_required=False).where(split, source)
    with only_answers_on_stdout():
        engine = engine_for(context, model, device)
        embedded, records = _embed(engine, rows, index)
        gallery = Gallery.build(index, embedded.vectors, records, engine.identity, kind)
    _tell(gallery, len(records), [*rows.problems, *embedded.problems], (), json_output)


@app.command()
def add(
    context: typer.Context,
    manifest: ManifestFile,
    index: IndexPlace,
    split: Split = None,
    source: Source = None,
    model: Annotated[str | None, typer.Option(help="The gallery's own model when left out.")] = None,
    device: Device = "auto",
    json_output: Json = False,
) -> None:
    """Add a manifest's images to a gallery, and say which are nearly the same as images that are there."""
    from retizero.data import read_manifest
    from retizero.retrieval import Gallery

    gallery = Gallery.open(index)
    rows = read_manifest(manifest, labels_required=False).where(split, source)
    with only_answers_on_stdout():
        engine = _own_engine(context, gallery, model, device)
        embedded, records = _embed(engine, rows, index)
        twins = gallery.near_duplicates(embedded.vectors)
        gallery = gallery.add(embedded.vectors, records)
    alike = [(record.id, twin) for record, twin in zip(records, twins, strict=True) if twin is not None]
    _tell(gallery, len(records), [*rows.problems, *embedded.problems], alike, json_output)


@app.command()
def update(
    manifest: ManifestFile,
    index: IndexPlace,
    split: Split = None,
    source: Source = None,
    json_output: Json = False,
) -> None:
    """Take labels, groups, sources and sites of images that are in a gallery from a manifest."""
    from retizero.data import read_manifest
    from retizero.retrieval import Gallery

    rows = read_manifest(manifest, labels_required=False).where(split, source)
    gallery = Gallery.open(index).update(_records(rows.rows, index))
    note_problems(rows.problems)
    if json_output:
        print_json({"updated": len(rows), "n": len(gallery), "problems": list(rows.problems)})
    else:
        note(f"Updated {len(rows)} of the gallery's {len(gallery)} images.")


@app.command()
def remove(
    index: IndexPlace,
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
def compact(index: IndexPlace, json_output: Json = False) -> None:
    """Free the space of removed images and index all others together, as a new gallery would."""
    from retizero.retrieval import Gallery

    gallery = Gallery.open(index).compact()
    if json_output:
        print_json({"n": len(gallery), "bytes": gallery.summary().size})
    else:
        note(f"The gallery {gallery.place} has {len(gallery)} images ({gallery.kind}).")


@app.command()
def info(index: IndexPlace, json_output: Json = False) -> None:
    """Say what is in a gallery."""
    from retizero.retrieval import Gallery

    gallery = Gallery.open(index)
    summary = gallery.summary()
    facts: dict[str, Any] = {
        "n": summary.n,
        "kind": gallery.kind,
        "dimension": gallery.dimension,
        "groups": summary.groups,
        "synthetic": summary.synthetic,
        "labels": summary.labels,
        "sources": summary.sources,
        "sites": summary.sites,
        "bytes": summary.size,
        "fingerprint": gallery.fingerprint,
        "model": gallery.identity,
    }
    if json_output:
        print_json(facts)
    else:
        counted = {name: len(facts[name]) for name in ("labels", "sources", "sites")}
        print_rows(
            ("fact", "value"),
            list({**facts, **counted, "model": gallery.identity.get("id", "")}.items()),
        )


@app.command()
def search(
    context: typer.Context,
    index: IndexPlace,
    image: Annotated[Path | None, typer.Option(help="Photograph to search with.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Disease or description to search with, alone or beside --image.")
    ] = None,
    text_share: Annotated[
        float, typer.Option(min=0, max=1, help="Weight of --text beside --image, from 0 to 1.")
    ] = 0.5,
    top_k: Annotated[int, typer.Option(min=1, help="How many images to return.")] = 5,
    label: Annotated[
        Values, typer.Option(help="Only images of this diagnosis or a kind of it; may be given again.")
    ] = None,
    source: Annotated[Values, typer.Option(help="Only images of this source; may be given again.")] = None,
    group: Annotated[Values, typer.Option(help="Only images of this patient; may be given again.")] = None,
    site: Annotated[Values, typer.Option(help="Only images of this site; may be given again.")] = None,
    exclude_group: Annotated[str | None, typer.Option(help="No images of this patient.")] = None,
    per_group: Annotated[
        int | None, typer.Option(min=1, help="At most so many images of one patient.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The gallery's own model when left out.")] = None,
    device: Device = "auto",
    json_output: Json = False,
) -> None:
    """Find the images of a gallery nearest to a photograph, a text, or both together."""
    from retizero.data import read_image
    from retizero.retrieval import Conditions, Gallery, GalleryError
    from retizero.serving.search_query import mixed, text_vector

    if image is None and text is None:
        raise GalleryError("Search with --image, --text, or both.")
    photograph = read_image(image) if image is not None else None
    gallery = Gallery.open(index)
    conditions = Conditions(*(tuple(each or ()) for each in (label, source, group, site)))
    with only_answers_on_stdout():
        engine = _own_engine(context, gallery, model, device)
        vectors = [engine.embed_image([photograph])] if photograph is not None else []
        if text is not None:
            vectors.append(text_vector(engine, engine.identity.template, text))
        query = mixed(vectors[0], vectors[1], text_share) if len(vectors) == 2 else vectors[0]
        (found,) = gallery.search(query, top_k, [exclude_group], conditions, per_group)
    if text is None and found and found[0].is_near_duplicate:
        note(_alike(str(image), found[0]))
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


def _embed(engine: Engine, manifest: Manifest, index: str) -> tuple[Embedded, list[Record]]:
    from retizero.retrieval import GalleryError, embed_rows

    embedded = embed_rows(manifest.rows, engine)
    if not embedded.rows:
        note_problems([*manifest.problems, *embedded.problems])
        raise GalleryError(f"None of the images of {manifest.path} can be read.")
    return embedded, _records(embedded.rows, index)


def _records(rows: Sequence[ManifestRow], index: str) -> list[Record]:
    from retizero.retrieval.shards import record_of

    return _placed([record_of(row) for row in rows], [row.image for row in rows], index)


def _placed(records: Sequence[Record], files: Sequence[Path], index: str) -> list[Record]:
    """Tell where the files lie from the gallery's folder; a database, asked from anywhere, does not."""
    from retizero.retrieval.gallery import is_database

    if is_database(index):
        return [replace(record, path="") for record in records]
    folder = Path(index).resolve()
    return [
        replace(record, path=os.path.relpath(file.resolve(), folder))
        for record, file in zip(records, files, strict=True)
    ]


def _tell(
    gallery: Gallery,
    added: int,
    problems: Sequence[str],
    alike: Sequence[tuple[str, Neighbour]],
    json_output: bool,
) -> None:
    note_problems(problems)
    note_problems([_alike(name, twin) for name, twin in alike])
    if json_output:
        print_json(
            {
                "n": len(gallery),
                "added": added,
                "kind": gallery.kind,
                "dimension": gallery.dimension,
                "problems": list(problems),
                "near_duplicates": [
                    {"id": name, "of": twin.id, "similarity": twin.similarity} for name, twin in alike
                ],
                "fingerprint": gallery.fingerprint,
                "model": gallery.identity,
            }
        )
    else:
        note(f"The gallery {gallery.place} has {len(gallery)} images ({gallery.kind}).")


def _alike(name: str, twin: Neighbour) -> str:
    return f"{name} is nearly the same image as the gallery's {twin.id} (similarity {twin.similarity:.4f})."
