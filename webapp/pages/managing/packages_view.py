"""The page of site packages as HTML: what waits for its maker, the forms of both sides, what they did."""

from collections.abc import Iterable, Mapping
from html import escape

from reader_study import results, site_exchange, sites
from reader_study.site_exchange import ImportReport, OpenedSite, SentPackage
from webapp import forms
from webapp.language import Language
from webapp.pages.managing.acting import Acting, several
from webapp.pages.managing.waiting import WaitingFile
from webapp.refusals import refusal
from webapp.tables import statement

HERE = "/manage/packages/"
MULTIPART = "multipart/form-data"


def page_body(who: Acting, waiting: Iterable[WaitingFile], said: str, given: Mapping[str, str]) -> str:
    """Return the whole page.

    Raises:
        NotAllowed: the role may not see it.
    """
    words = who.words
    opened = site_exchange.opened_here(who.database, actor_id=who.user.id)
    boxes = "".join(_waiting(words, file) for file in waiting)
    here = _export(who, opened, given) + _upload(who, "import", words("packages.import_now"))
    key = forms.text(
        "key",
        words("packages.key"),
        value=given.get("key", ""),
        help=words("packages.key_help"),
        more='autocomplete="off" maxlength=100',
    )
    there = _upload(who, "open", words("packages.open_now"), key) + _return(words, opened, given)
    return (
        f"<h1>{escape(words('packages.nav'))}</h1><p>{escape(words('packages.lead'))}</p>{said}{boxes}"
        f'<div class="rz-panes"><section><h2>{escape(words("packages.server"))}</h2>{here}</section>'
        f"<section><h2>{escape(words('packages.away'))}</h2>{there}</section></div>"
    )


def opened_words(words: Language, opened: OpenedSite, key_was_named: bool, invitations: str) -> str:
    """Return what was opened, whose key signed it, and the readers' links, which are shown this once."""
    facts = words("packages.opened", study=opened.study, cases=opened.cases, site=opened.site)
    signed = words(
        "packages.matches" if key_was_named else "packages.compare", fingerprint=opened.fingerprint
    )
    links = "".join(
        f"<dt>{escape(user)}</dt><dd><code>{escape(invitations + token)}</code></dd>"
        for user, token in opened.links.items()
    )
    return (
        f"<h1>{escape(words('packages.nav'))}</h1>{statement(facts, 'good')}"
        + statement(signed, "good" if key_was_named else "warning")
        + f"<h2>{escape(words('packages.links'))}</h2><p>{escape(words('packages.links_once'))}</p>"
        + f'<dl class="rz-facts">{links}</dl>{_back(words)}'
    )


def taken_words(words: Language, report: ImportReport) -> str:
    """Return how many readings were taken in, and each conflict on a line."""
    facts = words(
        "packages.taken",
        study=report.study,
        site=report.site,
        imported=report.imported,
        already=report.already_here,
    )
    if report.conflicts:
        left_out = [refusal(sentence, words) for sentence in report.conflicts]
        conflicts = several(words("packages.conflicts", n=len(left_out)), left_out)
    else:
        conflicts = statement(words("packages.no_conflicts"), "quiet")
    return f"<h1>{escape(words('packages.nav'))}</h1>{statement(facts, 'good')}{conflicts}{_back(words)}"


def _waiting(words: Language, file: WaitingFile) -> str:
    """A package that waits: what is in it, what to tell the site, and the button that takes it."""
    made = file.made
    if isinstance(made, SentPackage):
        title, told = words("packages.sent", study=made.study, site=made.site), words("packages.tell")
        facts = [
            (words("manage.cases"), str(made.cases)),
            (words("manage.readers"), str(made.readers)),
            (words("packages.fingerprint"), made.fingerprint),
        ]
    else:
        title, told = words("packages.back", study=made.study, site=made.site), ""
        facts = [(words("manage.readings"), str(made.readings))]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    lines = "".join(f"<p>{escape(line)}</p>" for line in (told, words("packages.waits")) if line)
    button = forms.form(f"{HERE}files/{file.key}", submit=words("packages.download"))
    return (
        f'<section class="rz-step"><h2>{escape(title)}</h2><dl class="rz-facts">{rows}</dl>'
        f"{lines}{button}</section>"
    )


def _export(who: Acting, opened: tuple[str, ...], given: Mapping[str, str]) -> str:
    words = who.words
    found = results.studies(who.database, who.user.id)
    studies = [(s.name, f"{s.title} ({s.name})") for s in found if s.state == "open" and s.name not in opened]
    places = [
        (s.code, f"{s.code} · {s.name}" if s.name else s.code)
        for s in sites.list_sites(who.database, actor_id=who.user.id)
        if s.readers
    ]
    if not studies:
        return _part(words, "export", statement(words("packages.no_open"), "quiet"))
    form = forms.form(
        HERE + "export",
        forms.choice("study", words("manage.study"), studies, value=given.get("study", "")),
        forms.choice("site", words("manage.site"), places, value=given.get("site", "")),
        *_new_passphrase(words),
        submit=words("packages.make"),
    )
    return _part(words, "export", form)


def _return(words: Language, opened: tuple[str, ...], given: Mapping[str, str]) -> str:
    if not opened:
        return _part(words, "return", statement(words("packages.no_opened"), "quiet"))
    studies = [(name, name) for name in opened]
    form = forms.form(
        HERE + "return",
        forms.choice("study", words("manage.study"), studies, value=given.get("back", "")),
        *_new_passphrase(words),
        submit=words("packages.make"),
    )
    return _part(words, "return", form)


def _upload(who: Acting, kind: str, submit: str, *parts: str) -> str:
    """The form by which a package comes in, ``open`` or ``import``."""
    words, mb = who.words, who.rooms.settings.max_study_mb
    told = words("packages.file_help", mb=mb)
    passphrase = forms.text(
        "passphrase", words("packages.passphrase"), kind="password", more='autocomplete="off" required'
    )
    form = forms.form(
        HERE + kind,
        forms.file("package", words("packages.file"), ".package,.site", told, required=True),
        passphrase,
        *parts,
        submit=submit,
        enctype=MULTIPART,
    )
    return _part(words, kind, form)


def _new_passphrase(words: Language) -> tuple[str, str]:
    more = 'autocomplete="new-password" required minlength=12'
    told = words("packages.passphrase_new")
    return (
        forms.text("passphrase", words("packages.passphrase"), kind="password", help=told, more=more),
        forms.text("again", words("packages.again"), kind="password", more=more),
    )


def _part(words: Language, kind: str, form: str) -> str:
    """One of the four steps under its heading."""
    return (
        f'<section class="rz-step"><h3>{escape(words(f"packages.{kind}"))}</h3>'
        f"<p>{escape(words(f'packages.{kind}_help'))}</p>{form}</section>"
    )


def _back(words: Language) -> str:
    return f'<p><a class="rz-button" href="{HERE}">{escape(words("packages.to_packages"))}</a></p>'
