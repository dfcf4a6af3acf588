"""``user ...``: accounts, invitations, and what people may ask about their data."""

from dataclasses import asdict
from typing import Annotated

import typer

from reader_study import accounts, invitations, own_data
from reader_study.commands.terminal import Json, connect, say, secret_line
from reader_study.errors import AccountError

app = typer.Typer(no_args_is_help=True, help="Accounts.")


@app.command("add")
def add(
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
    password = secret_line("password", password_stdin)
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


@app.command("list")
def list_accounts(context: typer.Context, as_json: Json = False) -> None:
    """List the accounts."""
    users = accounts.list_users(connect(context))
    lines = [
        f"{user.username:20} {user.code:10} {user.role:12} {user.site:12} "
        + ("simulated" if user.simulated else "active" if user.active else "disabled")
        for user in users
    ]
    say([asdict(user) for user in users], as_json, "\n".join(lines) or "There are no accounts.")


@app.command("disable")
def disable(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Close an account and sign it out everywhere; its readings stay."""
    user = accounts.disable_user(connect(context), name)
    say(asdict(user), as_json, f"{user.username} is disabled and signed out.")


@app.command("enable")
def enable(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Open a disabled account again."""
    user = accounts.enable_user(connect(context), name)
    say(asdict(user), as_json, f"{user.username} is active.")


@app.command("erase")
def erase(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Forget who a user is (name, e-mail, user name, sign-ins); pseudonymous readings stay."""
    database = connect(context)
    user = accounts.find_user(database, name)
    accounts.erase_identity(database, name)
    code = user.code if user is not None else name
    say({"erased": code}, as_json, f"The identity of {code} is erased.")


@app.command("data")
def data(context: typer.Context, name: str) -> None:
    """Print everything that is kept about a user, as JSON, to be handed to that user."""
    database = connect(context)
    user = accounts.find_user(database, name)
    if user is None:
        raise AccountError(f"There is no user named {name!r}.")
    say(own_data.own_data(database, user.id), True, "")


@app.command("invite")
def invite(
    context: typer.Context,
    role: Annotated[str, typer.Option(help="Role of the new account.")] = "reader",
    site: Annotated[str, typer.Option(help="Code of the site.")] = "",
    study: Annotated[str | None, typer.Option(help="Study to enrol the reader in.")] = None,
    days: Annotated[int, typer.Option(help="Days until the link expires.")] = 14,
    as_json: Json = False,
) -> None:
    """Make a link by which one person makes one account; it is told here and kept nowhere."""
    link = invitations.invite(connect(context), role=role, site=site, study=study, days=days)
    _say_link(link, as_json)


@app.command("reset")
def reset(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Make a link by which a user sets a new password."""
    _say_link(invitations.reset_link(connect(context), name), as_json)


def _say_link(link: invitations.Invitation, as_json: bool) -> None:
    say(asdict(link), as_json, f"/invite/{link.token} (valid until {link.expires_at:%Y-%m-%d %H:%M} UTC)")
