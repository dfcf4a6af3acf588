"""``retizero manifest``: from a public data set on disk to a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retizero.commands.options import Json
from retizero.commands.output import note_problems, print_json

app = typer.Typer()


@app.command()
def manifest(
    layout: Annotated[str, typer.Argument(help="imagefolder, flair, odir, rfmid, jsiec, idrid or messidor.")],
    folder: Annotated[Path, typer.Argument(help="Top folder of the data set as it was unpacked.")],
    out: Annotated[Path, typer.Option(help="The manifest to write; photographs stay where they are.")],
    json_output: Json = False,
) -> None:
    """Write the manifest of a public data set as people have it on disk."""
    from retizero.data.layouts import convert

    images, problems = convert(layout, folder, out)
    note_problems(problems)
    if json_output:
        print_json({"out": str(out), "images": images, "problems": list(problems)})
    else:
        print(f"{out}: {images} photographs, {len(problems)} rows left out")
