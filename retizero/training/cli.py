"""The commands ``retizero train ...``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Train models.", no_args_is_help=True)

# Of the commands that make one model of several.
MadeFolder = Annotated[Path, typer.Option(help="Folder of the model that is made.")]
CalibrationManifest = Annotated[
    Path, typer.Option(help="CSV with image, label and the split val, to calibrate on.")
]
Side = Annotated[int, typer.Option(min=32, help="Side of the input square, pixels.")]
Mirror = Annotated[
    bool, typer.Option("--mirror", help="Embed photographs together with their mirror images.")
]
CalibrationLabels = Annotated[str, typer.Option(help="Label set of the calibration.")]
Seed = Annotated[int, typer.Option(min=0, help="Seeds the borderless crops and the other pictures.")]


@app.callback()
def train() -> None:
    """Train models."""


@app.command()
def pretrain(
    config: Annotated[Path, typer.Option(help="YAML file with the settings of the run.")],
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="CSV with image and caption (or text) or label, and optionally labels_all, group, split."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Model folder, instead of the one in the configuration.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where a killed run of the same configuration was last saved."),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Stop when a row of the manifest cannot be used; else the rest trains."
        ),
    ] = False,
    init: Annotated[
        str | None,
        typer.Option(help="Where the image tower starts: random, or mae with the checkpoint towers.mae."),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train image and text towers to meet, calibrate, and write a model folder.

    A configuration with ``recipe: pairs`` trains both towers end to end on image-text pairs, also under
    torchrun. One with ``recipe: labels`` trains image stages and a text projection on labelled photographs;
    what is frozen is computed once and kept on disk, so that two CPU cores can do it.
    """
    from retizero.training.recipes import pretrain_by_config

    made = pretrain_by_config(config, manifest, out, resume, strict, init)
    if made.silent:
        return
    if json_output:
        print(
            json.dumps({"model": made.identity.to_dict(), "history": made.history, "config": made.settings})
        )
    else:
        typer.echo(f"{made.out}: {made.identity.fingerprint}")


@app.command()
def mae(
    config: Annotated[Path, typer.Option(help="YAML file with the settings of the run.")],
    manifest: Annotated[
        Path | None, typer.Option(help="CSV with image and optionally split; labels are not read.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Checkpoint file, instead of the one in the configuration.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where a killed run of the same configuration was last saved."),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Stop when a row of the manifest cannot be used; else the rest trains."
        ),
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train an image tower on photographs alone, painting masked patches; pretrain starts from the result."""
    from retizero.training.mae.pretrain import pretrain_mae
    from retizero.training.mae.recipe import MaeRecipe
    from retizero.training.strict_settings import read_settings

    recipe = read_settings(config, MaeRecipe)
    if out is not None:
        recipe = recipe.model_copy(update={"out": out})
    history = pretrain_mae(recipe, manifest, resume, strict)
    if history is None:
        return
    if json_output:
        print(
            json.dumps({"out": str(recipe.out), "history": history, "config": recipe.model_dump(mode="json")})
        )
    else:
        typer.echo(str(recipe.out))


Config = Annotated[Path, typer.Option(help="YAML file with the settings of the run.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop where a row of the manifest cannot be used, after telling all.")
]


@app.command()
def finetune(
    config: Config,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a killed run of the same settings was last saved.")
    ] = False,
    strict: Strict = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Fit a classifier on an image tower that learns wholly, by LoRA or not at all; also under torchrun."""
    from retizero.training.finetuning.recipe import FinetuneRecipe
    from retizero.training.finetuning.run import finetune as run
    from retizero.training.strict_settings import read_settings

    recipe = read_settings(config, FinetuneRecipe)
    made = run(recipe, resume, strict)
    if os.environ.get("RANK", "0") != "0":
        return
    if json_output:
        print(
            json.dumps(
                {"model": made.identity.to_dict(), "history": made.history, "rows": made.rows},
                ensure_ascii=False,
                allow_nan=False,
            )
        )
    else:
        typer.echo(f"{recipe.out}: {made.identity.fingerprint}")


@app.command()
def probe(
    config: Config,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what an interrupted run of the same settings has finished.")
    ] = False,
    strict: Strict = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Fit classifiers on features of a frozen tower, few photographs or all, within and across sources."""
    from retizero.training.probes.config import ProbeConfig
    from retizero.training.probes.run import run_probes
    from retizero.training.strict_settings import read_settings

    settings = read_settings(config, ProbeConfig)
    _show_table(run_probes(settings, resume, strict), settings.out, json_output)


@app.command()
def table(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT...", help="results.json of several runs.")],
    out: Annotated[Path, typer.Option(help="Folder of the table: results.csv, results.json, results.md.")],
    title: Annotated[str, typer.Option(help="Heading of the table.")] = "Within and across sources",
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Put results of probe and finetune into one table."""
    from retizero.training.transfer_files import join_tables

    _show_table(join_tables(results, out, title), out, json_output)


def _show_table(rows: list[dict[str, Any]], out: Path, json_output: bool) -> None:
    if json_output:
        print(json.dumps({"out": str(out), "rows": rows}, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo((out / "results.md").read_text(encoding="utf-8"))


@app.command()
def gate(
    manifest: Annotated[Path, typer.Option(help="CSV with image, label and split.")],
    out: Annotated[
        Path | None, typer.Option(help="Reference file, instead of the one that the gate reads.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Measure what fundus photographs look like, for the gate that answers come behind."""
    from retizero.data.atomic_write import atomic_write_text
    from retizero.serving.gate import REFERENCE
    from retizero.training.gate.reference import fit_reference
    from retizero.training.places import require_places

    path = out or REFERENCE
    require_places(path, folder=False)
    atomic_write_text(path, fit_reference(manifest, seed).to_json())
    typer.echo(str(path))


@app.command()
def average(
    model: Annotated[list[Path], typer.Option(help="Folder of a model; give it two or more times.")],
    out: MadeFolder,
    manifest: CalibrationManifest,
    size: Side,
    mirror: Mirror = False,
    share: Annotated[
        list[float] | None, typer.Option(help="How much each model counts, in their order; even without.")
    ] = None,
    labels: CalibrationLabels = "fundus42",
) -> None:
    """Average the weights of models that went on from one another, and calibrate the result."""
    from retizero.training.combining.average import average_models

    identity = average_models(model, out, manifest, labels, size, mirror, share or ())
    typer.echo(f"{out}: {identity.fingerprint}")


@app.command()
def pair(
    model: Annotated[
        tuple[Path, Path], typer.Option(help="Two model folders; the second went on from the first.")
    ],
    out: MadeFolder,
    manifest: CalibrationManifest,
    size: Side,
    mirror: Mirror = False,
    labels: CalibrationLabels = "fundus42",
) -> None:
    """Set the image towers of two models side by side in one, and calibrate it."""
    from retizero.training.combining.pair import pair_models

    identity = pair_models(*model, out, manifest, labels, size, mirror)
    typer.echo(f"{out}: {identity.fingerprint}")


@app.command("move-groups")
def move_groups(
    manifest: Annotated[Path, typer.Option(help="CSV with image, group and split.")],
    leave: Annotated[str, typer.Option(help="Split that gives patients away.")],
    join: Annotated[str, typer.Option(help="Split that takes them.")],
    share: Annotated[float, typer.Option(help="Share of the patients of each label, at most 1.")],
    out: Annotated[Path, typer.Option(help="The new manifest; the old one stays as it is.")],
    source: Annotated[str | None, typer.Option(help="Only patients of this source.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed moves others.")] = 0,
) -> None:
    """Let patients of one split join another, none of them divided; images are not copied."""
    from retizero.data.splits import move_groups as move

    moved = move(manifest, leave, join, share, out, source=source, seed=seed)
    typer.echo(f"{out}: {moved} photographs moved")


@app.command()
def familiarity(
    manifest: Annotated[Path, typer.Option(help="CSV with image, label and the splits train and val.")],
    model: Annotated[str, typer.Option(help="Id or folder of the model.")] = "retizero-mini",
    seed: Seed = 0,
) -> None:
    """Teach the gate which embeddings photographs have, and which other pictures; kept beside the weights."""
    from retizero.training.gate.familiarity import fit_model_familiarity

    typer.echo(str(fit_model_familiarity(model, manifest, seed)))


@app.command("gate-rates")
def gate_rates(
    manifest: Annotated[Path, typer.Option(help="CSV with image, label and split.")],
    split: Annotated[str, typer.Option(help="Which photographs to judge.")] = "test",
    model: Annotated[str, typer.Option(help="Id or folder of the model that stands behind the gate.")] = (
        "retizero-mini"
    ),
) -> None:
    """Measure how often the gate refuses real photographs and lets others through (needs scikit-image)."""
    from retizero.training.gate.rates import gate_rates as measured

    print(json.dumps(measured(manifest, split, model), indent=2))
