"""``/invite/{token}`` makes an account (or sets its password anew) once; ``/account`` changes a password."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from reader_study import accounts, invitations
from reader_study.database import Database
from reader_study.errors import InvitationRefused, StudyError
from webapp import forms
from webapp.areas import home_of
from webapp.language import Language
from webapp.refusals import refusal
from webapp.sessions import language_of, signed_in_user
from webapp.shell import standalone_page
from webapp.tables import statement


def routes(database: Database) -> APIRouter:
    """Return both pages; a link's token is the only right that the first one needs."""
    router = APIRouter()
    Text = Annotated[str, Form()]

    @router.get("/invite/{token}")
    def invited(token: str, request: Request) -> HTMLResponse:
        return _invitation(database, language_of(request), token)

    @router.post("/invite/{token}")
    def join(
        token: str, request: Request, username: Text = "", password: Text = "", again: Text = "",
        name: Text = "", email: Text = "",
    ) -> Response:  # fmt: skip
        words = language_of(request)
        if password != again:
            return _invitation(database, words, token, words("join.differ"), 422)
        try:
            invitations.accept(database, token, username, password, name=name.strip(), email=email.strip())
        except StudyError as error:
            return _invitation(database, words, token, refusal(error, words), 422)
        return RedirectResponse("/login", 303)

    @router.get("/account")
    def account(request: Request) -> Response:
        user = signed_in_user(database, request.headers)
        return (
            RedirectResponse("/login?next=/account", 303) if user is None else _account(language_of(request))
        )

    @router.post("/account")
    def change(request: Request, old: Text = "", password: Text = "", again: Text = "") -> Response:
        user, words = signed_in_user(database, request.headers), language_of(request)
        if user is None:
            return RedirectResponse("/login", 303)
        try:
            if password != again:
                return _account(words, words("join.differ"), 422)
            accounts.change_password(database, user.id, old, password)
        except StudyError as error:
            return _account(words, refusal(error, words), 422)
        return RedirectResponse(home_of(user), 303)

    return router


def _invitation(
    database: Database, words: Language, token: str, said: str = "", code: int = 200
) -> HTMLResponse:
    here = f"/invite/{token}"
    try:
        facts = invitations.look_up(database, token)
    except InvitationRefused as error:
        return _answer(words, words("join.title"), "/login", statement(refusal(error, words), "problem"), 404)
    about = facts.study_title or words("join.any_study")
    site = words("join.site", site=facts.site) if facts.site else ""
    passwords = _passwords(words)
    if facts.username is not None:
        lead = words("join.anew", username=facts.username)
        parts = passwords
    else:
        lead = words("join.lead", role=words(f"manage.role_{facts.role}"), study=about) + " " + site
        mail = 'autocomplete="email" maxlength=254'
        user = 'autocomplete="username" autocapitalize="none" required maxlength=64'
        full = 'autocomplete="name" maxlength=200'
        parts = [
            forms.text("username", words("login.username"), help=words("join.username_help"), more=user),
            forms.text("name", words("join.name"), help=words("join.apart"), more=full),
            forms.text("email", words("join.email"), kind="email", more=mail),
            *passwords,
        ]
    problem = statement(said, "problem") if said else ""
    body = f"<p>{escape(lead)}</p>{problem}{forms.form(here, *parts, submit=words('join.go'))}"
    return _answer(words, words("join.title"), here, body, code)


def _account(words: Language, said: str = "", code: int = 200) -> HTMLResponse:
    old = forms.text(
        "old", words("join.old"), kind="password", more='autocomplete="current-password" required'
    )
    problem = statement(said, "problem") if said else ""
    body = problem + forms.form("/account", old, *_passwords(words), submit=words("join.change"))
    return _answer(words, words("join.account"), "/account", body, code)


def _passwords(words: Language) -> list[str]:
    more = 'autocomplete="new-password" required minlength=8 maxlength=256'
    return [
        forms.text(
            "password", words("join.password"), kind="password", help=words("join.password_help"), more=more
        ),
        forms.text("again", words("join.again"), kind="password", more=more),
    ]


def _answer(words: Language, title: str, here: str, body: str, code: int) -> HTMLResponse:
    card = f'<main class="rz-card rz-login"><h1>{escape(title)}</h1>{body}</main>'
    page = standalone_page(words, title=title, here=here, body=card)
    return HTMLResponse(page, code, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
