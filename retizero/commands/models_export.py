"""``retizero models export``: a model's towers for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from retizero.commands.options import Json
from retizero.commands.output import note, only_answers_on_stdout, print_json, print_rows

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command("export")
def export(
    model: Annotated[str, typer.Argument(help="Id of a known model, or the path of a model folder.")],
    out: Annotated[Path, typer.Option("--out", help="New folder, to be given as --model afterwards.")],
    to: Annotated[
        Literal["onnx", "openvino"], typer.Option("--format", help="What ONNX Runtime or OpenVINO runs.")
    ] = "onnx",
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="Photographs to compare on; phantoms without.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Write both towers for ONNX Runtime or OpenVINO, and measure whether they give the model's answers.

    The folder holds the result and is refused where embeddings keep less than a cosine of 0.995 or the five
    best labels of a photograph change.
    """
    with only_answers_on_stdout():
        from retizero.data import read_manifest
        from retizero.model.export.folder import write_export
        from retizero.model.export.formats import format_named
        from retizero.model.export.sample import phantom_sample, photograph_sample
        from retizero.model.registry import load_model

        format_named(to, to_write=True)  # a missing package is told before any work
        source = load_model(model, "cpu", exact=True)
        note("Preparing the photographs to compare on ...")
        sample = (
            phantom_sample(source)
            if manifest is None
            else photograph_sample(source, [row.image for row in read_manifest(manifest).rows], manifest.name)
        )
        note(f"Writing and comparing the towers of {source.identity.id} ...")
        agreement = write_export(source, to, out, sample)
    if json_output:
        print_json({"folder": str(out), "format": to, "agreement": agreement.to_dict()})
    else:
        text = agreement.min_text_cosine
        order = agreement.same_order
        print_rows(
            ("folder", "compared on", "least cosine", "of prompts", "same Top-5 order"),
            [
                (
                    out,
                    agreement.sample,
                    f"{agreement.min_image_cosine:.6f}",
                    "-" if text is None else f"{text:.6f}",
                    "-" if order is None else f"{order} of {agreement.photographs}",
                )
            ],
        )
    agreement.require(str(out))
