"""How the commands speak: results on standard output, everything else on standard error."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from reader_study.database import Database
from reader_study.errors import DatabaseError, StudyError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Name = Annotated[str, typer.Argument(help="Name of the study.")]


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


def secret_line(what: str, from_stdin: bool) -> str:
    """A password or passphrase, from standard input or asked for without showing it.

    Raises:
        StudyError: nobody is there to ask.
    """
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise StudyError(f"Give the {what} on standard input, with --{what}-stdin.")
    return str(typer.prompt(what.capitalize(), hide_input=True, confirmation_prompt=True, err=True))
