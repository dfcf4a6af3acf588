"""``retizero embed``: embed a large manifest in shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from retizero.commands.options import DEFAULT_MODEL, Device, Json, ManifestFile, Model, Source, Split
from retizero.commands.output import note, note_problems, only_answers_on_stdout, print_json
from retizero.commands.services import engine_for

app = typer.Typer()


@app.command()
def embed(
    context: typer.Context,
    manifest: ManifestFile,
    out: Annotated[Path, typer.Option(help="Folder for the vectors and records.")],
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    precision: Annotated[str, typer.Option(help="float16 or float32.")] = "float32",
    shard_size: Annotated[int, typer.Option(min=1, help="Images per file.")] = 4096,
    split: Split = None,
    source: Source = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 2 when a row could not be read.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Embed a manifest's images into vectors and records on disk; also under torchrun, on several hosts."""
    from retizero.data import read_manifest
    from retizero.retrieval import GalleryError
    from retizero.retrieval.ranks import ranks_of_torchrun
    from retizero.retrieval.shards import PROBLEMS, Precision, embed_to_shards

    if precision not in ("float16", "float32"):
        raise typer.BadParameter(f"--precision must be float16 or float32, not {precision!r}.")
    rows = read_manifest(manifest, labels_required=False).where(split, source)
    with only_answers_on_stdout(), ranks_of_torchrun() as ranks:
        engine = engine_for(context, model, device)
        done = embed_to_shards(
            rows,
            engine,
            engine.identity.to_dict(),
            out,
            resume=resume,
            precision=cast("Precision", precision),
            shard_size=shard_size,
            ranks=ranks,
        )
    if ranks.rank == 0:  # one of several processes tells for all
        note_problems(done["problems"])
        if json_output:
            print_json(done)
        else:
            note(f"{done['n']} vectors in {out}.")
    if strict and done["problems"]:
        raise GalleryError(f"{len(done['problems'])} rows have no vector; {out / PROBLEMS} lists them.")
