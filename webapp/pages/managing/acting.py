"""Who acts on a managers' page, in which language; and how an answer that went wrong is told."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse

from reader_study.accounts import User
from reader_study.database import Database
from reader_study.errors import NotAllowed
from webapp.language import Language
from webapp.managers_frame import managers_page
from webapp.refusals import refusal, refusals
from webapp.rooms import Rooms
from webapp.sessions import language_of, signed_in_user
from webapp.tables import statement


@dataclass(frozen=True)
class Acting:
    """The signed-in user of a request and what a page of theirs is made with."""

    user: User
    words: Language
    rooms: Rooms

    @property
    def database(self) -> Database:
        """The study database."""
        return self.rooms.database

    def page(self, title: str, here: str, body: str, status: int = 200) -> HTMLResponse:
        """Answer with a managers' page."""
        content = managers_page(self.words, self.user, title=title, here=here, body=body)
        return HTMLResponse(content, status)


def acting(rooms: Rooms) -> Callable[[Request], Acting]:
    """Return the FastAPI dependency that gives a route its ``Acting``."""

    def who(request: Request) -> Acting:
        user = getattr(request.state, "user", None) or signed_in_user(rooms.database, request.headers)
        if user is None:
            raise HTTPException(401, refusal("Sign in first.", language_of(request)))
        return Acting(user, language_of(request), rooms)

    return who


def problem(error: Exception, words: Language) -> tuple[str, int]:
    """Return what went wrong as HTML, every part of it on a line, and the HTTP status."""
    status = 403 if isinstance(error, NotAllowed) else 422
    first, *parts = refusals(error, words)
    if parts:
        return several(first, parts), status
    return statement(first, "problem"), status


def several(first: str, parts: Iterable[str]) -> str:
    """Return a problem of several parts as HTML: what they are of, and each on a line."""
    items = "".join(f"<li>{escape(part)}</li>" for part in parts)
    return f'<div class="rz-problem" role="alert">{escape(first)}<ul>{items}</ul></div>'
