"""Options that several commands share: the same words everywhere."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_MODEL = "retizero-mini"

Model = Annotated[str, typer.Option("--model", help="Id of a known model, or the path of a model folder.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write the JSON report to this file.")]
ManifestFile = Annotated[
    Path,
    typer.Option(
        "--manifest",
        help="CSV with the columns image,label[,group][,source][,site][,split]; paths relative to it.",
    ),
]
Split = Annotated[str | None, typer.Option("--split", help="Use only rows of this split.")]
Source = Annotated[str | None, typer.Option("--source", help="Use only rows of this source.")]
IndexPlace = Annotated[
    str,
    typer.Option(
        "--index",
        help="Folder of the gallery, or postgresql://user:password@host/database?gallery=name.",
    ),
]
