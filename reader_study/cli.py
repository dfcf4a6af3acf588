"""``python -m reader_study``: a study without a browser. Each command is a thin call into the package."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from reader_study import accounts, backup, design, exchange, integrity, results, states
from reader_study.analysis import report
from reader_study.analysis.mrmc.covariance import Covariance
from reader_study.analysis.mrmc.outcomes import Outcome
from reader_study.analysis.mrmc.ratings import read_ratings
from reader_study.analysis.mrmc.result import Method
from reader_study.analysis.mrmc.result import mrmc as compare_treatments
from reader_study.audit import SYSTEM
from reader_study.case_list import read_cases
from reader_study.database import Database
from reader_study.documents import to_html, to_markdown
from reader_study.errors import DatabaseError, StudyError
from reader_study.planning import Plan, simulate_power
from reader_study.protocol_file import read_protocol
from reader_study.simulate import add_simulated_readers, simulate_readings
from reader_study.tables_in import read_predictions, read_tables
from retizero.knowledge import KnowledgeError, label_set

DEFAULT_URL = "sqlite:///data/retizero.db"
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Name = Annotated[str, typer.Argument(help="Name of the study.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
user_app = typer.Typer(no_args_is_help=True, help="Accounts.")
study_app = typer.Typer(no_args_is_help=True, help="Studies and their states.")
app.add_typer(user_app, name="user")
app.add_typer(study_app, name="study")


@app.callback()
def options(
    context: typer.Context,
    database: Annotated[
        str, typer.Option("--database", envvar="RETIZERO_DATABASE", help="URL of the database.")
    ] = DEFAULT_URL,
) -> None:
    """A multi-reader study of fundus photographs: accounts, protocol, conduct, integrity, analysis."""
    context.obj = database


def say(content: object, as_json: bool, words: str) -> None:
    """Print the result once, as one JSON document or in words."""
    print(json.dumps(content, ensure_ascii=False, default=_plain, allow_nan=False) if as_json else words)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def warn(sentence: str) -> None:
    """Tell something on stderr, where it disturbs no JSON."""
    print(sentence, file=sys.stderr)


def connect(context: typer.Context, *, new: bool = False) -> Database:
    """Open the database of ``--database``; an empty one is given its tables where ``new``.

    Raises:
        DatabaseError: there are no tables, or those of another version.
    """
    database = Database(context.obj)
    schema = database.schema()
    if schema.current is None and new:
        warn(f"Made a new database at {database.url.render_as_string()}.")
        database.create()
    elif schema.current is None:
        raise DatabaseError("The database has no tables yet; run `python -m reader_study init` first.")
    elif not schema.ready:
        raise DatabaseError(
            f"The database has schema {schema.current}, this program needs {schema.needed}; "
            "make a backup and run `python -m reader_study init`."
        )
    return database


@app.command()
def init(context: typer.Context, as_json: Json = False) -> None:
    """Make the database, or bring it up to the present schema."""
    database = Database(context.obj)
    database.create()
    url = database.url.render_as_string()
    say({"database": url, "schema": database.schema().current}, as_json, f"The database {url} is ready.")


@user_app.command("add")
def user_add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="User name.")],
    role: Annotated[
        str, typer.Option(help="reader, coordinator, manager, statistician or admin.")
    ] = "reader",
    site: Annotated[str, typer.Option(help="Code of the site.")] = "",
    years: Annotated[int | None, typer.Option(help="Years of experience.")] = None,
    full_name: Annotated[str, typer.Option(help="Real name, kept apart.")] = "",
    email: Annotated[str, typer.Option(help="E-mail address, kept apart.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add an account."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise StudyError("Give the password on standard input, with --password-stdin.")
    user = accounts.create_user(
        connect(context, new=True),
        name,
        password,
        role=role,
        site=site,
        years=years,
        name=full_name,
        email=email,
    )
    say(asdict(user), as_json, f"Added {user.role} {user.username}, known in results as {user.code}.")


@user_app.command("list")
def user_list(context: typer.Context, as_json: Json = False) -> None:
    """List the accounts."""
    users = accounts.list_users(connect(context))
    lines = [
        f"{user.username:20} {user.code:10} {user.role:12} {user.site:12} "
        + ("simulated" if user.simulated else "active" if user.active else "disabled")
        for user in users
    ]
    say([asdict(user) for user in users], as_json, "\n".join(lines) or "There are no accounts.")


@user_app.command("disable")
def user_disable(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Close an account and sign it out everywhere; its readings stay."""
    user = accounts.disable_user(connect(context), name)
    say(asdict(user), as_json, f"{user.username} is disabled and signed out.")


@study_app.command("create")
def study_create(
    context: typer.Context,
    config: Annotated[Path, typer.Option(help="STUDY.yaml, the protocol.")],
    cases: Annotated[Path, typer.Option(help="CASES.csv: case_id,image,truth[,rare,site,practice,...].")],
    as_json: Json = False,
) -> None:
    """Make a study in the state draft; every bad row of the case list is named at once."""
    protocol, warnings = read_protocol(config)
    by_panel = protocol.reference == "panel"
    found = read_cases(cases, label_set(protocol.label_set), truth_needed=not by_panel)
    for sentence in warnings:
        warn(f"Warning: {sentence}")
    database = connect(context, new=True)
    name = design.create_study(database, protocol, found)
    status = asdict(results.study_status(database, SYSTEM, name))
    say({**status, "warnings": warnings}, as_json, f"Study {name} is a draft with {len(found)} cases.")


@study_app.command("open")
def study_open(context: typer.Context, name: Name, as_json: Json = False) -> None:
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


study_app.command("lock", help="End the reading.")(_state_command(states.lock_study, "locked"))
study_app.command("unblind", help="Show results to readers.")(
    _state_command(states.unblind_study, "unblinded")
)
study_app.command("archive", help="Put a finished study away.")(
    _state_command(states.archive_study, "archived")
)


@study_app.command("status")
def study_status(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Tell state and progress of a study."""
    status = results.study_status(connect(context), SYSTEM, name)
    lines = [
        f"{status.name}: {status.state}, {status.cases} cases, "
        f"{status.readings}/{status.expected_readings} read"
    ]
    lines += [f"  {row.reader_id:10} {row.site:12} {row.done}/{row.total}" for row in status.readers]
    say(asdict(status), as_json, "\n".join(lines))


@study_app.command("list")
def study_list(context: typer.Context, as_json: Json = False) -> None:
    """List the studies."""
    found = results.studies(connect(context), SYSTEM)
    lines = [
        f"{row.name:24} {row.state:10} {row.readings}/{row.expected_readings}  {row.title}" for row in found
    ]
    say([asdict(row) for row in found], as_json, "\n".join(lines) or "There are no studies.")


@app.command("import")
def import_files(
    context: typer.Context,
    name: Name,
    cases: Annotated[Path | None, typer.Option(help="CASES.csv with further cases.")] = None,
    model: Annotated[Path | None, typer.Option(help="model.csv: case_id,rank1..,score1..")] = None,
    identity: Annotated[Path | None, typer.Option(help="JSON file with the model's identity.")] = None,
    as_json: Json = False,
) -> None:
    """Add cases at the end of a draft, or freeze the predictions of a model."""
    database = connect(context)
    if cases is None and model is None:
        raise StudyError(
            "Name what to import: --cases CASES.csv or --model MODEL.csv --identity IDENTITY.json."
        )
    if cases is not None:
        labels = label_set(results.study_status(database, SYSTEM, name).label_set)
        design.append_cases(database, name, read_cases(cases, labels))
    if model is not None:
        if identity is None:
            raise StudyError("Predictions need the model's identity: --identity IDENTITY.json.")
        states.freeze_predictions(database, name, read_predictions(model), _identity(identity))
    status = results.study_status(database, SYSTEM, name)
    say(asdict(status), as_json, f"Study {name} has {status.cases} cases.")


def _identity(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise StudyError(f"The model's identity {path} is not a readable JSON file.") from None
    if not isinstance(content, dict) or not content:
        raise StudyError(f"The model's identity {path} must be a JSON object.")
    return content


@app.command("export")
def export_files(
    context: typer.Context,
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    simulated: Annotated[bool, typer.Option("--simulated", help="Write simulated readers too.")] = False,
    as_json: Json = False,
) -> None:
    """Write readings, reference standard, predictions and audit as CSV files with a data dictionary."""
    database = connect(context)
    files = exchange.export_study(database, name, out, include_simulated=simulated)
    if results.study_status(database, SYSTEM, name).state not in results.AFTER_LOCK:
        warn(f"Warning: study {name} is not locked; this interim export is noted in the audit.")
    say({"study": name, "files": files}, as_json, "\n".join(map(str, files)))


@app.command()
def allocate(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Draw and store the order of cases of the study's readers who have none yet."""
    new = design.allocate(connect(context), name)
    say({"study": name, "allocated": new}, as_json, f"{new} readers were given an order in study {name}.")


@app.command()
def simulate(
    context: typer.Context,
    name: Name,
    readers: Annotated[int, typer.Option(min=1, max=200, help="Simulated readers to have.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Seed of their answers.")] = 0,
    as_json: Json = False,
) -> None:
    """Let simulated readers read an open study of synthetic cases; they are marked SIM- everywhere."""
    database = connect(context)
    add_simulated_readers(database, readers)
    design.allocate(database, name)
    stored = simulate_readings(database, name, seed=seed)
    say({"study": name, "stored": stored}, as_json, f"Stored {stored} simulated readings in study {name}.")


def _advance(bar: "tqdm[Any]") -> None:
    bar.update()


@app.command()
def power(
    readers: Annotated[int, typer.Option(help="Readers.")],
    cases: Annotated[int, typer.Option(help="Cases, each read with and without help.")],
    unaided: Annotated[float, typer.Option(help="Expected accuracy without help.")],
    effect: Annotated[float, typer.Option(help="Expected gain by help; 0 gives the type I error.")],
    reader_sd: Annotated[float, typer.Option(help="Spread of readers' ability, noise = 1.")] = 0.3,
    reader_arm_sd: Annotated[float, typer.Option(help="Spread of help's effect over readers.")] = 0.1,
    case_sd: Annotated[float, typer.Option(help="Spread of cases' difficulty.")] = 1.0,
    case_arm_sd: Annotated[float, typer.Option(help="Spread of help's effect over cases.")] = 0.4,
    studies: Annotated[int, typer.Option(help="Studies to simulate.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation.")] = 0,
    as_json: Json = False,
) -> None:
    """Plan a study: its power by simulation through the analysis that it will have."""
    plan = Plan(readers, cases, unaided, effect, reader_sd, reader_arm_sd, case_sd, case_arm_sd)
    with tqdm(total=studies, unit="study", disable=None) as bar:
        found = simulate_power(plan, studies, seed, lambda _: _advance(bar))
    words = (
        f"Power {found.power:.3f} ({found.ci[0]:.3f} to {found.ci[1]:.3f}) over {found.studies} simulated "
        f"studies; interval coverage {found.coverage:.3f}, mean standard error {found.standard_error:.4f}."
    )
    say({"plan": asdict(plan), **asdict(found), "seed": seed}, as_json, words)


@app.command()
def analyse(
    cases: Annotated[Path, typer.Option(help="cases.csv")],
    readers: Annotated[Path, typer.Option(help="readers.csv")],
    reads: Annotated[Path, typer.Option(help="reads.csv")],
    out: Annotated[Path, typer.Option(help="Report to write, JSON.")],
    model: Annotated[Path | None, typer.Option(help="model.csv")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Report to write as one HTML file, to read offline.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Report to write as Markdown.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Draws of the bootstrap.")] = 2000,
    as_json: Json = False,
) -> None:
    """Everything that readings say about readers, model and help, from CSV files."""
    found = report(read_tables(cases, readers, reads, model), seed=seed, resamples=resamples).to_json()
    _write(found, out)
    if html is not None:
        _write_text(to_html(found), html)
    if markdown is not None:
        _write_text(to_markdown(found), markdown)
    say(found, as_json, f"Wrote {', '.join(str(path) for path in (out, html, markdown) if path)}.")


@app.command()
def mrmc(
    ratings: Annotated[Path, typer.Option(help="CSV: reader, treatment, case, truth, rating.")],
    out: Annotated[Path, typer.Option(help="Result to write, JSON.")],
    outcome: Annotated[Outcome, typer.Option(help="What is compared.")] = "auc",
    threshold: Annotated[
        float | None, typer.Option(help="Proportion: a rating from here on calls the case diseased.")
    ] = None,
    method: Annotated[Method, typer.Option(help="Obuchowski-Rockette, or U-statistics.")] = "or",
    covariance: Annotated[Covariance, typer.Option(help="For method or.")] = "jackknife",
    standalone: Annotated[str | None, typer.Option(help="The reader that is the model.")] = None,
    as_json: Json = False,
) -> None:
    """Compare treatments by multi-reader multi-case statistics, and readers with a stand-alone model."""
    found = compare_treatments(
        read_ratings(ratings),
        outcome,
        threshold=threshold,
        method=method,
        covariance=covariance,
        standalone=standalone,
    )
    _write(found, out)
    say(found, as_json, f"Wrote {out}.")


def _write(found: object, out: Path) -> None:
    """Write one JSON document whole or not at all."""
    _write_text(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", out)


def _write_text(text: str, out: Path) -> None:
    part = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(out)
    except OSError as error:
        raise StudyError(f"The result cannot be written to {out}: {error.strerror}.") from error


@app.command()
def verify(context: typer.Context, as_json: Json = False) -> None:
    """Check the audit chain and everything it vouches for; exit status 2 when something was changed."""
    verdict = integrity.verify(connect(context))
    words = f"{verdict.rows} audit rows, intact; last hash {verdict.head}."
    say({**asdict(verdict), "intact": verdict.intact}, as_json, words if verdict.intact else "Not intact.")
    if not verdict.intact:
        raise StudyError(" ".join(verdict.problems))


@app.command("backup")
def backup_file(
    context: typer.Context, file: Annotated[Path, typer.Argument(help="New file.")], as_json: Json = False
) -> None:
    """Copy the SQLite database while it is in use."""
    size = backup.backup(connect(context), file)
    say({"file": file, "bytes": size}, as_json, f"Wrote {file} ({size} bytes).")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; a user's mistake is one sentence on stderr and exit status 2."""
    os.environ.setdefault("COLUMNS", "110")
    try:
        app(args=arguments, prog_name="python -m reader_study", standalone_mode=True)
    except SystemExit as stop:
        return int(stop.code or 0) if not isinstance(stop.code, str) else 2
    except (StudyError, KnowledgeError) as error:
        warn(" ".join(str(error).split()))
        return 2
    return 0
