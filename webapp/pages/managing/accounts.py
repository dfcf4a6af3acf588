"""``/manage/accounts``: who takes part, invitations by one-time link, sites; accounts closed and opened."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from reader_study import accounts, invitations, results, sites
from reader_study.errors import StudyError
from reader_study.records import ROLES
from webapp import forms
from webapp.language import Language
from webapp.pages.managing.acting import Acting, acting, problem
from webapp.rooms import Rooms
from webapp.tables import html_table, statement

HERE = "/manage/accounts/"


def routes(rooms: Rooms) -> APIRouter:
    """Return the page of accounts and its forms."""
    router = APIRouter()
    Who = Annotated[Acting, Depends(acting(rooms))]
    Text = Annotated[str, Form()]

    @router.get("/accounts/")
    @router.get("/accounts", include_in_schema=False)
    def shown(who: Who) -> HTMLResponse:
        return _page(who)

    @router.post("/accounts/invite")
    def invite(
        who: Who,
        request: Request,
        role: Text = "reader",
        site: Text = "",
        study: Text = "",
        days: Text = "14",
    ) -> Response:
        def do() -> str:
            made = invitations.invite(
                who.database,
                role=role,
                site=site.strip(),
                study=study or None,
                days=int(days) if days.isdigit() else 0,
                actor_id=who.user.id,
            )
            return _link(who.words, request, made.token)

        return _done(who, do)

    @router.post("/accounts/reset")
    def reset(who: Who, request: Request, username: Text = "") -> Response:
        def do() -> str:
            made = invitations.reset_link(who.database, username, actor_id=who.user.id)
            return _link(who.words, request, made.token)

        return _done(who, do)

    @router.post("/accounts/revoke")
    def revoke(who: Who, invitation: Text = "") -> Response:
        number = int(invitation) if invitation.isdigit() else 0
        return _done(who, lambda: invitations.revoke(who.database, number, actor_id=who.user.id))

    @router.post("/accounts/disable")
    def disable(who: Who, username: Text = "") -> Response:
        return _done(who, lambda: accounts.disable_user(who.database, username, actor_id=who.user.id))

    @router.post("/accounts/enable")
    def enable(who: Who, username: Text = "") -> Response:
        return _done(who, lambda: accounts.enable_user(who.database, username, actor_id=who.user.id))

    @router.post("/accounts/site")
    def site(who: Who, code: Text = "", name: Text = "") -> Response:
        return _done(
            who, lambda: sites.add_site(who.database, code.strip(), name.strip(), actor_id=who.user.id)
        )

    return router


def _done(who: Acting, do: Callable[[], object]) -> Response:
    """Do it; show a link that was made, an error, or the page anew."""
    try:
        said = do()
    except StudyError as error:
        told, code = problem(error, who.words)
        return _page(who, told, code)
    return _page(who, said) if isinstance(said, str) else RedirectResponse(HERE, 303)


def _link(words: Language, request: Request, token: str) -> str:
    address = f"{request.base_url}invite/{token}"
    return (
        f'<div class="rz-good" role="status"><p>{escape(words("manage.link_once"))}</p>'
        f'<p><code id="rz-link">{escape(address)}</code></p></div>'
    )


def _page(who: Acting, said: str = "", code: int = 200) -> HTMLResponse:
    words = who.words
    try:
        people = accounts.list_users(who.database, actor_id=who.user.id)
        links = invitations.list_invitations(who.database, actor_id=who.user.id)
        places = sites.list_sites(who.database, actor_id=who.user.id)
        studies = results.studies(who.database, who.user.id)
    except StudyError as error:
        told, code = problem(error, who.words)
        return who.page(words("manage.nav_accounts"), HERE, told, code)
    roles = [
        (r, words(f"manage.role_{r}"))
        for r in ROLES
        if r in ("reader", "coordinator") or who.user.role == "admin"
    ]
    chosen = [
        ("", words("manage.no_study")),
        *((s.name, s.title) for s in studies if s.state in ("draft", "open")),
    ]
    body = f"""<h1>{escape(words("manage.nav_accounts"))}</h1>{said}
<div class="rz-panes"><section><h2>{escape(words("manage.invite"))}</h2>{
        forms.form(
            HERE + "invite",
            forms.choice("role", words("manage.role"), roles),
            forms.text("site", words("manage.site"), more='list="rz-sites" maxlength=64'),
            forms.choice("study", words("manage.study"), chosen),
            forms.text("days", words("manage.days"), value=14, kind="number", more="min=1 max=90"),
            submit=words("manage.make_link"),
        )
    }</section><section><h2>{escape(words("manage.sites"))}</h2>{
        html_table(
            words("manage.sites"),
            [words(f"manage.{k}") for k in ("site", "site_name", "readers")],
            [(s.code, s.name or "–", s.readers) for s in places],
            numeric=(2,),
        )
    }{
        forms.form(
            HERE + "site",
            forms.text("code", words("manage.site"), more="required maxlength=64"),
            forms.text("name", words("manage.site_name"), more="maxlength=200"),
            submit=words("manage.add_site"),
            quiet=True,
        )
    }</section></div>
<datalist id="rz-sites">{"".join(f'<option value="{escape(s.code, quote=True)}">' for s in places)}</datalist>
<h2>{escape(words("manage.people"))}</h2>{_people(words, people)}
<h2>{escape(words("manage.invitations"))}</h2>{_links(words, links)}"""
    return who.page(words("manage.nav_accounts"), HERE, body, code)


def _people(words: Language, people: tuple[accounts.User, ...]) -> str:
    rows = []
    for user in people:
        state = "simulated" if user.simulated else "active" if user.active else "disabled"
        actions = ""
        if not user.simulated:
            step = "disable" if user.active else "enable"
            actions = _button(f"{HERE}{step}", "username", user.username, words(f"manage.{step}"))
            if user.active:
                actions += _button(f"{HERE}reset", "username", user.username, words("manage.reset"))
        cells = (
            user.username,
            user.code,
            words(f"manage.role_{user.role}"),
            user.site or "–",
            words(f"manage.{state}"),
        )
        rows.append((*cells, actions))
    heads = [words(f"manage.{k}") for k in ("username", "code", "role", "site", "state", "actions")]
    return _table(words("manage.people"), heads, rows)


def _links(words: Language, links: tuple[invitations.InvitationStatus, ...]) -> str:
    if not links:
        return statement(words("manage.no_links"), "quiet")
    rows = []
    for link in links:
        actions = ""
        if link.standing == "open":
            actions = _button(f"{HERE}revoke", "invitation", str(link.id), words("manage.revoke"))
        about = link.username or link.study or "–"
        until = f"{link.expires_at:%Y-%m-%d}"
        cells = (
            words(f"manage.role_{link.role}"),
            link.site or "–",
            about,
            until,
            words(f"manage.link_{link.standing}"),
        )
        rows.append((*cells, actions))
    heads = [words(f"manage.{k}") for k in ("role", "site", "for_whom", "until", "state", "actions")]
    return _table(words("manage.invitations"), heads, rows)


def _table(caption: str, heads: list[str], rows: Sequence[tuple[str, ...]]) -> str:
    """A table whose last cells are forms; everything else is escaped."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:-1])
        + f'<td class="rz-actions">{row[-1]}</td></tr>'
        for row in rows
    )
    return (
        f'<div class="rz-table" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _button(action: str, name: str, value: str, label: str) -> str:
    hidden = f'<input type="hidden" name="{name}" value="{escape(value, quote=True)}">'
    return (
        f'<form method="post" action="{action}">{hidden}'
        f'<button type="submit" class="rz-secondary" aria-label="{escape(f"{label}: {value}", quote=True)}">'
        f"{escape(label)}</button></form>"
    )
