"""``retizero models check|convert|pull``: what concerns the files of a model."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from retizero.commands.options import Json
from retizero.commands.output import note, only_answers_on_stdout, print_json, print_rows

app = typer.Typer(no_args_is_help=True, add_completion=False)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="JSON with the sizes; the published ones without.")
]


@app.command("check")
def check(
    config: Annotated[Path, typer.Option("--config", help="JSON with the model's sizes.")],
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="File in the release's layout.")],
    inputs: Annotated[Path, typer.Option("--inputs", help=".npz with recorded inputs and outputs.")],
    json_output: Json = False,
) -> None:
    """Load a checkpoint of the release strictly and compare with outputs that the release recorded."""
    from retizero.model.errors import ModelError

    with only_answers_on_stdout():
        from retizero.model.parity import TOLERANCE, check_parity
        from retizero.model.release_checkpoint import CheckpointMismatch

    try:
        with only_answers_on_stdout():
            parity = check_parity(config, checkpoint, inputs)
    except CheckpointMismatch as error:
        if json_output:
            print_json(
                {
                    "missing": error.missing,
                    "unexpected": error.unexpected,
                    "wrong_shape": error.wrong_shape,
                }
            )
        raise
    if json_output:
        print_json(parity.to_dict())
    else:
        print_rows(
            ("output", "largest difference", "LoRA folded"),
            [
                (name, f"{gap:.2e}", f"{parity.max_abs_diff_folded[name]:.2e}")
                for name, gap in parity.max_abs_diff.items()
            ],
        )
    if not parity.worst <= TOLERANCE:
        raise ModelError(
            f"{checkpoint.name} does not give the recorded outputs: they differ by {parity.worst:.2e}, "
            f"more than {TOLERANCE:.0e}."
        )


@app.command("convert")
def convert(
    checkpoint: Annotated[Path, typer.Argument(help="File of the release or of its fine-tuning.")],
    out: Annotated[Path, typer.Option("--out", help="New folder.")],
    config: ConfigFile = None,
    bert: Annotated[
        Path | None, typer.Option("--bert", help="Folder of Bio_ClinicalBERT, for its tokenizer.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option("--image-size", min=1, help="Other input size in pixels.")
    ] = None,
    model_id: Annotated[
        str | None, typer.Option("--id", help="Id of the model; the folder's name without.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Write a checkpoint as a model folder: config.json, model.safetensors, identity.json, tokenizer.json."""
    with only_answers_on_stdout():
        from retizero.model.convert import convert as convert_checkpoint
        from retizero.model.retizero.config import RetiZeroConfig
        from retizero.model.retizero.tokenizer import HOW_TO_GET_ONE

        sizes = None if config is None else RetiZeroConfig.from_file(config)
        note(f"Reading, checking and writing every weight of {checkpoint} ...")
        identity = convert_checkpoint(checkpoint, out, sizes, bert, image_size, model_id)
    if not (out / "tokenizer.json").is_file() and "fine-tuned" not in identity.title:
        note(HOW_TO_GET_ONE)
    if json_output:
        print_json(identity.to_dict())
    else:
        print_rows(("folder", "id", "SHA-256 of the weights"), [(out, identity.id, identity.weights_sha256)])


@app.command("pull")
def pull(
    source: Annotated[
        str, typer.Argument(help="Path, Hugging Face id (owner/name), or https address of a file.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of models; RETIZERO_MODELS_DIR without.")
    ] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="What the file must have.")] = None,
    json_output: Json = False,
) -> None:
    """Bring a model's files here; an interrupted download goes on where it stopped when run again."""
    from retizero.model.errors import ModelError

    folder = out or (
        Path(os.environ["RETIZERO_MODELS_DIR"]) if os.environ.get("RETIZERO_MODELS_DIR") else None
    )
    if folder is None:
        raise ModelError(
            "Say where models lie: --out FOLDER, or the environment variable RETIZERO_MODELS_DIR."
        )
    with only_answers_on_stdout():
        from tqdm import tqdm

        from retizero.model.pull import pull as pull_model

        with tqdm(unit="B", unit_scale=True, unit_divisor=1024, file=sys.stderr, leave=False) as bar:

            def show(done: int, total: int | None) -> None:
                bar.total = total
                bar.update(done - bar.n)

            pulled = pull_model(source, folder.expanduser(), sha256, show)
    if json_output:
        print_json(
            {"path": str(pulled.path), "files": pulled.files, "bytes": pulled.size, "sha256": pulled.sha256}
        )
    else:
        print_rows(
            ("path", "files", "bytes", "SHA-256"),
            [(pulled.path, pulled.files, pulled.size, pulled.sha256 or "-")],
        )
