"""``retizero models``: which models there are, and what concerns their files."""

from __future__ import annotations

import typer

from retizero.commands import models_export, models_files
from retizero.commands.options import Json
from retizero.commands.output import only_answers_on_stdout, print_json, print_rows

app = typer.Typer(help="Which models there are.", no_args_is_help=True, add_completion=False)
app.add_typer(models_files.app)
app.add_typer(models_export.app)


@app.callback()
def models() -> None:
    """Which models there are."""


@app.command("list")
def list_models(json_output: Json = False) -> None:
    """List known models, their licence, where their weights come from, and whether they are here."""
    with only_answers_on_stdout():
        from retizero.model import known_models
        from retizero.model.image_towers import starting_towers

        known = (*known_models(), *starting_towers())
    if json_output:
        print_json(
            [
                {
                    "id": each.id,
                    "title": each.title,
                    "licence": each.licence,
                    "source": each.source,
                    "present": each.present,
                }
                for each in known
            ]
        )
        return
    print_rows(
        ("id", "present", "what it is", "licence", "weights"),
        [(each.id, "yes" if each.present else "no", each.title, each.licence, each.source) for each in known],
    )
