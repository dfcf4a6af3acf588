"""``python -m reader_study``: a study without a browser. Each command is a thin call into the package."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from reader_study import backup, design, exchange, integrity, results, states
from reader_study.analysis import UnequalK, report
from reader_study.analysis.delong import delong as compare_markers
from reader_study.analysis.delong import read_markers
from reader_study.analysis.mrmc.covariance import Covariance
from reader_study.analysis.mrmc.outcomes import Outcome
from reader_study.analysis.mrmc.ratings import read_ratings
from reader_study.analysis.mrmc.result import Method
from reader_study.analysis.mrmc.result import mrmc as compare_treatments
from reader_study.audit import SYSTEM
from reader_study.case_list import read_cases
from reader_study.commands import site, study, user
from reader_study.commands.terminal import Json, Name, connect, say, warn
from reader_study.database import Database
from reader_study.documents import to_html, to_markdown
from reader_study.documents.language import Code
from reader_study.errors import StudyError
from reader_study.evidence_maps import read_maps
from reader_study.planning import Plan, simulate_power
from reader_study.simulate import add_simulated_readers, simulate_readings
from reader_study.tables_in import read_predictions, read_tables
from retizero.knowledge import KnowledgeError, label_set

DEFAULT_URL = "sqlite:///data/retizero.db"
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(user.app, name="user")
app.add_typer(study.app, name="study")
app.add_typer(site.app, name="site")


@app.callback()
def options(
    context: typer.Context,
    database: Annotated[
        str, typer.Option("--database", envvar="RETIZERO_DATABASE", help="URL of the database.")
    ] = DEFAULT_URL,
) -> None:
    """A multi-reader study of fundus photographs: accounts, protocol, conduct, integrity, analysis."""
    context.obj = database


@app.command()
def init(context: typer.Context, as_json: Json = False) -> None:
    """Make the database, or bring it up to the present schema."""
    database = Database(context.obj)
    database.create()
    url = database.url.render_as_string()
    say({"database": url, "schema": database.schema().current}, as_json, f"The database {url} is ready.")


@app.command("import")
def import_files(
    context: typer.Context,
    name: Name,
    cases: Annotated[Path | None, typer.Option(help="CASES.csv with further cases.")] = None,
    model: Annotated[Path | None, typer.Option(help="model.csv: case_id,rank1..,score1..")] = None,
    identity: Annotated[Path | None, typer.Option(help="JSON file with the model's identity.")] = None,
    maps: Annotated[
        Path | None, typer.Option(help="Folder of evidence maps, CASE_ID.png or CASE_ID.RANK.png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add cases at the end of a draft, or freeze the predictions of a model with its evidence maps."""
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
        predictions = read_predictions(model)
        evidence = read_maps(maps, predictions) if maps is not None else {}
        states.freeze_predictions(database, name, predictions, _identity(identity), evidence=evidence)
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
    language: Annotated[Code, typer.Option(help="Of the HTML file.")] = "en",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Draws of the bootstrap.")] = 2000,
    model_k: Annotated[
        int | None, typer.Option(min=1, help="Ranks that count for the model, where unequal is wanted.")
    ] = None,
    readers_k: Annotated[
        int | None, typer.Option(min=1, help="Ranks that count for readers, where unequal is wanted.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Everything that readings say about readers, model and help, from CSV files."""
    if (model_k is None) != (readers_k is None):
        raise StudyError("An unequal comparison needs both --model-k and --readers-k.")
    unequal = UnequalK(model_k, readers_k) if model_k and readers_k and model_k != readers_k else None
    table = read_tables(cases, readers, reads, model)
    found = report(table, seed=seed, resamples=resamples, unequal=unequal).to_json()
    _write(found, out)
    if html is not None:
        _write_text(to_html(found, language), html)
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


@app.command()
def delong(
    scores: Annotated[Path, typer.Option(help="CSV: a row a case, a column for the truth, one a marker.")],
    truth: Annotated[str, typer.Option(help="Column of the truth.")],
    out: Annotated[Path, typer.Option(help="Result to write, JSON.")],
    diseased: Annotated[str, typer.Option(help="What the truth says of a diseased case.")] = "1",
    marker: Annotated[list[str] | None, typer.Option(help="Column to compare; all when not given.")] = None,
    as_json: Json = False,
) -> None:
    """Compare areas under ROC curves of markers on the same cases by DeLong's test."""
    found = compare_markers(read_markers(scores, truth, diseased, marker or ()))
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


@app.command("restore")
def restore_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A backup.")],
    as_json: Json = False,
) -> None:
    """Fill the empty database of --database (SQLite or PostgreSQL) from a backup, and verify it."""
    database = Database(context.obj)
    verdict = backup.restore(database, file)
    url = database.url.render_as_string()
    say({"database": url, **asdict(verdict)}, as_json, f"Restored {url}: {verdict.rows} audit rows, intact.")


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
