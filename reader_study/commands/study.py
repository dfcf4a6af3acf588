"""``study ...``: studies, their states, and those who judge in them."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from reader_study import adjudication, allocation, design, panel, results, states
from reader_study.audit import SYSTEM
from reader_study.case_folder import cases_from_folder
from reader_study.case_list import read_cases
from reader_study.commands.terminal import Json, Name, connect, say, warn
from reader_study.protocol_file import read_protocol
from retizero.knowledge import label_set

app = typer.Typer(no_args_is_help=True, help="Studies and their states.")
User = Annotated[str, typer.Argument(help="User name.")]


@app.command("create")
def create(
    context: typer.Context,
    config: Annotated[Path, typer.Option(help="STUDY.yaml, the protocol.")],
    cases: Annotated[
        Path,
        typer.Option(
            help="CASES.csv: case_id,image,truth[,rare,site,practice,...]; or a folder of folders named by "
            "diagnosis."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Make a study in the state draft; every bad row of the case list is named at once."""
    protocol, warnings = read_protocol(config)
    read = cases_from_folder if cases.is_dir() else read_cases
    found = read(cases, label_set(protocol.label_set), truth_needed=protocol.reference == "import")
    for sentence in warnings:
        warn(f"Warning: {sentence}")
    database = connect(context, new=True)
    name = design.create_study(database, protocol, found)
    status = asdict(results.study_status(database, SYSTEM, name))
    say({**status, "warnings": warnings}, as_json, f"Study {name} is a draft with {len(found)} cases.")


@app.command("open")
def open_for_reading(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Let readers in; without frozen predictions of a model, the study has none to compare with."""
    database = connect(context)
    without_model = results.study_status(database, SYSTEM, name).model is None
    states.open_study(database, name, without_model=without_model)
    if without_model:
        warn(
            f"Warning: study {name} was opened without predictions of a model (`import --model` "
            "before opening)."
        )
    say(asdict(results.study_status(database, SYSTEM, name)), as_json, f"Study {name} is open.")


def _state_command(step: Callable[..., None], word: str) -> Callable[[typer.Context, str, bool], None]:
    def run(context: typer.Context, name: Name, as_json: Json = False) -> None:
        database = connect(context)
        step(database, name)
        say(asdict(results.study_status(database, SYSTEM, name)), as_json, f"Study {name} is {word}.")

    return run


app.command("lock", help="End the reading.")(_state_command(states.lock_study, "locked"))
app.command("unblind", help="Show results to readers.")(_state_command(states.unblind_study, "unblinded"))
app.command("archive", help="Put a finished study away.")(_state_command(states.archive_study, "archived"))


@app.command("status")
def status_of(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Tell state and progress of a study."""
    status = results.study_status(connect(context), SYSTEM, name)
    lines = [
        f"{status.name}: {status.state}, {status.cases} cases, "
        f"{status.readings}/{status.expected_readings} read"
    ]
    lines += [f"  {row.reader_id:10} {row.site:12} {row.done}/{row.total}" for row in status.readers]
    say(asdict(status), as_json, "\n".join(lines))


@app.command("list")
def list_studies(context: typer.Context, as_json: Json = False) -> None:
    """List the studies."""
    found = results.studies(connect(context), SYSTEM)
    lines = [
        f"{row.name:24} {row.state:10} {row.readings}/{row.expected_readings}  {row.title}" for row in found
    ]
    say([asdict(row) for row in found], as_json, "\n".join(lines) or "There are no studies.")


@app.command("reader")
def add_reader(context: typer.Context, name: Name, user: User, as_json: Json = False) -> None:
    """Enrol one reader, whatever the protocol says about readers."""
    allocation.add_reader(connect(context), name, user)
    say({"study": name, "reader": user}, as_json, f"{user} reads in study {name}.")


@app.command("adjudicator")
def add_adjudicator(context: typer.Context, name: Name, user: User, as_json: Json = False) -> None:
    """Let somebody who does not read in the study adjudicate its free text."""
    database = connect(context)
    adjudication.assign_adjudicator(database, name, user)
    people = adjudication.adjudicators(database, name)
    say({"study": name, "adjudicators": people}, as_json, f"{', '.join(people)} adjudicate in study {name}.")


@app.command("adjudication")
def adjudication_status(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Tell how much of the free text is adjudicated."""
    found = adjudication.adjudication_status(connect(context), name)
    words = (
        f"{found.resolved} of {found.texts} texts settled; {found.waiting_first} wait for a first, "
        f"{found.waiting_second} for a second, {found.waiting_third} for a third decision."
    )
    say(asdict(found), as_json, words)


@app.command("panelist")
def add_panelist(context: typer.Context, name: Name, user: User, as_json: Json = False) -> None:
    """Make somebody a member of the panel that votes for the reference standard."""
    database = connect(context)
    panel.assign_panelist(database, name, user)
    people = panel.panelists(database, name)
    say({"study": name, "panel": people}, as_json, f"The panel of study {name}: {', '.join(people)}.")


@app.command("close-panel")
def close_panel(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Make the majority's votes the reference standard, and name the cases without a majority."""
    left = panel.close_panel(connect(context), name)
    words = f"Settle these cases: {', '.join(left)}." if left else "Every case has a reference standard."
    say({"study": name, "without_majority": left}, as_json, words)


@app.command("settle")
def settle(
    context: typer.Context,
    name: Name,
    case: Annotated[str, typer.Argument(help="The case.")],
    diagnoses: Annotated[list[str], typer.Argument(help="Diagnoses, the primary one first.")],
    as_json: Json = False,
) -> None:
    """Store the reference standard of a case on which the panel's votes differ."""
    panel.settle(connect(context), name, case, diagnoses)
    say({"study": name, "case": case, "reference": diagnoses}, as_json, f"Case {case} is settled.")
