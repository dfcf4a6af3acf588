"""The ``retizero`` command: thin, and quick to start, as each group of commands is imported when used."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from retizero.commands.output import note
from retizero.commands.services import EngineLoader, Services, load_real_engine

# Name of the command, module that has its ``app``, and what it does in one line for --help.
_COMMANDS = {
    "classify": ("retizero.commands.classify", "Rank diagnoses for fundus photographs."),
    "embed": ("retizero.commands.embed", "Embed a manifest's images into vectors and records on disk."),
    "evaluate": ("retizero.commands.evaluate", "Measure models, compare them, look for leakage."),
    "explain": ("retizero.commands.explain", "Draw what in a photograph speaks for a diagnosis."),
    "index": ("retizero.commands.index", "Build, change and search a gallery."),
    "knowledge": ("retizero.knowledge.cli", "The catalogue of fundus diseases."),
    "manifest": ("retizero.commands.manifest", "Write the manifest of a public data set on disk."),
    "models": ("retizero.commands.models", "Which models there are."),
    "phantom": ("retizero.phantom.cli", "Render synthetic fundus photographs."),
    "train": ("retizero.training.cli", "Train models."),
}
_USERS_MISTAKE, _OUR_FAULT, _INTERRUPTED = 2, 1, 130


class _LazyGroup(TyperGroup):
    """Imports a group of commands when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - the type moved between versions of Typer
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        if cmd_name not in _COMMANDS:
            return None
        module, summary = _COMMANDS[cmd_name]
        command = typer.main.get_command(importlib.import_module(module).app)
        command.name = cmd_name
        command.short_help = summary
        return command


app = typer.Typer(
    cls=_LazyGroup,
    help="RetiZero Studio: a fundus vision-language model. For research, not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _root() -> None:
    """RetiZero Studio: a fundus vision-language model. For research, not for diagnosis."""


def main(arguments: Sequence[str] | None = None, load_engine: EngineLoader = load_real_engine) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; those of the process when None.
        load_engine: How commands get their engine.

    Returns:
        0 on success, 2 for a user's mistake, 1 for our fault, 130 when interrupted; the reason is a sentence
        on stderr. A traceback is shown only where RETIZERO_DEBUG=1.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command = typer.main.get_command(app)
        status = command.main(given, "retizero", standalone_mode=False, obj=Services(load_engine))
    except (KeyboardInterrupt, typer.Abort):
        note("Interrupted.")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (retizero ... | head): nothing more to say, nor on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _explain(error)
    if status == _INTERRUPTED:  # Typer turns an interruption inside a command into this status
        note("Interrupted.")
    return status if isinstance(status, int) else 0


def _explain(error: Exception) -> int:
    """Say what went wrong in one sentence on stderr and return the exit status."""
    if os.environ.get("RETIZERO_DEBUG") == "1":
        traceback.print_exc()
    described = getattr(error, "format_message", None)
    if described is not None:  # a wrong option or argument, told by Typer
        if sentence := " ".join(str(described()).split()):
            note(f"{sentence} See retizero --help.")
        return int(getattr(error, "exit_code", _USERS_MISTAKE))
    sentence = " ".join(str(error).split())
    if isinstance(error, ValueError) and _is_ours(error):
        note(sentence)
        return _USERS_MISTAKE
    if isinstance(error, OSError) and error.filename is not None:
        note(f"{error.filename} cannot be used: {error.strerror}.")
        return _USERS_MISTAKE
    note(
        f"Something went wrong on our side ({type(error).__name__}: {sentence}); "
        "set RETIZERO_DEBUG=1 to see where."
    )
    return _OUR_FAULT


def _is_ours(error: ValueError) -> bool:
    """Whether an error is one of the project's own, worded for users, and no accident in a library."""
    return type(error).__module__.split(".")[0] in ("retizero", "reader_study")


if __name__ == "__main__":
    raise SystemExit(main())
