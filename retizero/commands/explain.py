"""``retizero explain``: what in a photograph speaks for a diagnosis."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from retizero.commands.options import DEFAULT_MODEL, Device, Json, Model
from retizero.commands.output import only_answers_on_stdout, print_json, print_rows
from retizero.commands.services import engine_for

app = typer.Typer()


@app.command()
def explain(
    context: typer.Context,
    image: Annotated[Path, typer.Argument(help="Photograph.")],
    out: Annotated[Path, typer.Option(help="PNG to write: the map over the photograph.")],
    label: Annotated[str | None, typer.Option(help="Diagnosis: id, name, synonym, or free words.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Instead of a diagnosis, a text asked as it is.")] = None,
    among: Annotated[
        str | None,
        typer.Option(help="Candidates it is told apart from: a set, a file, or a list."),
    ] = None,
    method: Annotated[str, typer.Option(help="auto, relevance, rollout (transformers) or cam.")] = "auto",
    opacity: Annotated[float, typer.Option(min=0, max=1, help="Of the map over the photograph.")] = 0.6,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    json_output: Json = False,
) -> None:
    """Draw what in a photograph speaks for a diagnosis, as the model weighs it; no proof of a lesion."""
    from retizero.data import read_image
    from retizero.data.atomic_write import atomic_write
    from retizero.knowledge import parse_labels
    from retizero.model import ModelError
    from retizero.serving.evidence import Method

    photograph = read_image(image)
    candidates = parse_labels(among) if among else None
    with only_answers_on_stdout():
        engine = engine_for(context, model, device)
        gate, _ = engine.examine(photograph)
        if not gate.is_fundus:
            raise ModelError(f"{image} does not look like a colour fundus photograph; nothing is explained.")
        found = engine.explain(
            photograph, label, prompt=prompt, among=candidates, method=cast(Method, method)
        )
    picture = found.png(photograph, opacity)
    atomic_write(out, lambda file: file.write(picture))
    if json_output:
        print_json({"image": str(image), "out": str(out), **found.to_json()})
        return
    x, y = found.peak
    print_rows(
        ("diagnosis", "method", "strongest at (x, y)", "area above half", "map"),
        [(found.label, found.method, f"{x:.0%}, {y:.0%}", f"{found.area:.0%}", out)],
    )
