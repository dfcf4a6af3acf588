"""``site ...``: sites, and the packages that go out to them and come back."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from reader_study import site_exchange, sites
from reader_study.commands.terminal import Json, Name, connect, say, secret_line, warn

app = typer.Typer(no_args_is_help=True, help="Sites, and packages for sites without a network path to here.")
File = Annotated[Path, typer.Argument(help="The package.")]
Stdin = Annotated[bool, typer.Option("--passphrase-stdin", help="Read the passphrase from standard input.")]


@app.command("add")
def add(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="Code of the site.")],
    name: Annotated[str, typer.Option(help="Name of the site.")] = "",
    as_json: Json = False,
) -> None:
    """Add a site, or give one its name."""
    sites.add_site(connect(context, new=True), code, name)
    say({"site": code, "name": name}, as_json, f"There is a site {code}.")


@app.command("list")
def list_sites(context: typer.Context, as_json: Json = False) -> None:
    """List the sites and how many readers each has."""
    found = sites.list_sites(connect(context))
    lines = [f"{site.code:16} {site.readers:4} readers  {site.name}" for site in found]
    say([asdict(site) for site in found], as_json, "\n".join(lines) or "There are no sites.")


@app.command("export")
def export(
    context: typer.Context,
    name: Name,
    site: Annotated[str, typer.Option(help="Code of the site.")],
    out: Annotated[Path, typer.Option(help="Package to write.")],
    passphrase_stdin: Stdin = False,
    as_json: Json = False,
) -> None:
    """Write the cases, orders and readers of a site into one encrypted, signed file."""
    sent = site_exchange.export_site(
        connect(context), name, site, out, secret_line("passphrase", passphrase_stdin)
    )
    words = (
        f"Wrote {out}: {sent.cases} cases for {sent.readers} readers. Tell the site the passphrase and "
        f"the fingerprint {sent.fingerprint} by another way than the file."
    )
    say(asdict(sent), as_json, words)


@app.command("open")
def open_at_site(
    context: typer.Context,
    file: File,
    images: Annotated[Path, typer.Option(help="Folder for the photographs.")] = Path("data/site-images"),
    key: Annotated[str | None, typer.Option(help="Public key, or its fingerprint, that must sign.")] = None,
    passphrase_stdin: Stdin = False,
    as_json: Json = False,
) -> None:
    """Open a package at the site: make its study here, with a link for each reader to set a password."""
    passphrase = secret_line("passphrase", passphrase_stdin)
    opened = site_exchange.open_package(connect(context, new=True), file, passphrase, images, public_key=key)
    if key is None:
        warn(f"The package is signed by the key {opened.fingerprint}; compare it with the sender's word.")
    links = "\n".join(f"  {user}: /invite/{token}" for user, token in opened.links.items())
    words = f"Study {opened.study} is open here with {opened.cases} cases. Links for the readers:\n{links}"
    say(asdict(opened), as_json, words)


@app.command("return")
def give_back(
    context: typer.Context,
    name: Name,
    out: Annotated[Path, typer.Option(help="Package to write.")],
    passphrase_stdin: Stdin = False,
    as_json: Json = False,
) -> None:
    """Write the readings made at the site, with its audit chain, into one encrypted, signed file."""
    back = site_exchange.write_return(
        connect(context), name, out, secret_line("passphrase", passphrase_stdin)
    )
    say(asdict(back), as_json, f"Wrote {out}: {back.readings} readings of site {back.site}.")


@app.command("import")
def take_in(
    context: typer.Context, file: File, passphrase_stdin: Stdin = False, as_json: Json = False
) -> None:
    """Take in the readings of a site; conflicts are listed and left out."""
    report = site_exchange.import_package(connect(context), file, secret_line("passphrase", passphrase_stdin))
    for sentence in report.conflicts:
        warn(f"Conflict: {sentence}")
    words = (
        f"Study {report.study}, site {report.site}: {report.imported} readings taken in, "
        f"{report.already_here} were here already, {len(report.conflicts)} conflicts."
    )
    say(asdict(report), as_json, words)
