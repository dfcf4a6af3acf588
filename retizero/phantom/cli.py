"""The command ``retizero phantom``: write a folder of synthetic fundus photographs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from retizero.phantom.dataset import write_dataset

app = typer.Typer(help="Render synthetic fundus photographs.")


@app.command()
def phantom(
    out: Annotated[Path, typer.Option(help="Folder to write to; made when missing.")],
    n: Annotated[int, typer.Option("--n", help="Number of images.")],
    label: Annotated[
        list[str] | None,
        typer.Option(help="Diagnosis to render (catalogue id); repeatable; all when left out."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same images.")] = 0,
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 512,
) -> None:
    """Write N synthetic fundus photographs and their manifest.csv to a folder."""

    def progress(done: int, total: int) -> None:
        if done == total or done % max(1, total // 20) == 0:
            sys.stderr.write(f"phantom: {done} of {total} images\n")

    manifest = write_dataset(out, n, label, seed, size, progress=progress)
    typer.echo(str(manifest))
