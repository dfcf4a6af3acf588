"""``retizero classify``: name diseases in photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retizero.commands.options import DEFAULT_MODEL, Device, Json, Model
from retizero.commands.output import note, only_answers_on_stdout, print_json, print_rows
from retizero.commands.services import engine_for

if TYPE_CHECKING:
    from retizero.knowledge import LabelSet
    from retizero.serving import Engine
    from retizero.serving.classifier import Classifier

DEFAULT_LABELS = "fundus42"  # the list that the embedded model is calibrated for
CLASSIFIER_HELP = (
    "Folder of `train finetune`, or file of `train probe` or the app, that answers with its classes."
)

app = typer.Typer()


@app.command()
def classify(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs.")],
    labels: Annotated[
        str | None,
        typer.Option(
            help='A label set, a file with one label a line, or "a; b; c"; fundus42, or all of a '
            "classifier's classes, when left out."
        ),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="How many diagnoses to list.")] = 5,
    classifier: Annotated[Path | None, typer.Option(help=CLASSIFIER_HELP)] = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    json_output: Json = False,
) -> None:
    """Rank diagnoses for fundus photographs."""
    from retizero.knowledge import parse_labels

    asked = parse_labels(labels) if labels else None
    with only_answers_on_stdout():
        if classifier is not None:
            from retizero.serving.classifier import Classifier

            trained = Classifier.load(classifier, device, model_given(context, model))
            rows = [classify_file(trained, image, asked or trained.labels, top_k) for image in images]
        else:
            among = asked or parse_labels(DEFAULT_LABELS)
            engine = engine_for(context, model, device)
            rows = [classify_file(engine, image, among, top_k) for image in images]
    if json_output:
        print_json(rows)
        return
    for row in rows:
        _print_row(row)


def model_given(context: typer.Context, model: str) -> str | None:
    """The model a user asked for; None where the option was left out."""
    source = context.get_parameter_source("model")
    return None if source is None or source.name == "DEFAULT" else model


def classify_file(engine: Engine | Classifier, image: Path, labels: LabelSet, top_k: int) -> dict[str, Any]:
    """Answer for one file; a file that cannot be read becomes a row that says so."""
    from retizero.data import ImageReadError, read_image

    try:
        photograph = read_image(image)
    except ImageReadError as error:
        note(str(error))
        return {
            "image": str(image),
            "error": str(error),
            "gate": {"is_fundus": False, "quality": 0.0, "reason": "unreadable"},
            "predictions": [],
            "conformal_set": [],
            "coverage": None,
            "uncertainty": None,
            "model": {**engine.identity.to_dict(), "fingerprint": engine.identity.fingerprint},
        }
    return {"image": str(image), **engine.classify(photograph, labels, top_k).to_json()}


def _print_row(row: dict[str, Any]) -> None:
    gate = row["gate"]
    print_rows([f"{row['image']}  (gate: {gate['reason']}, quality {gate['quality']:.2f})"], [])
    predictions = [
        (f"  {place}.", f"{each['probability']:.3f}", each["label"])
        for place, each in enumerate(row["predictions"], start=1)
    ]
    if predictions:
        print_rows(("", "probability", "diagnosis"), predictions)
    if row.get("uncertainty") is not None:
        said = f"  uncertainty {row['uncertainty']:.2f} for this list (1: no evidence)"
        if row["conformal_set"]:
            said += f"; one of these with {row['coverage']:.0%} coverage: {', '.join(row['conformal_set'])}"
        print_rows([said], [])
