"""Who is asking: login page, session cookie, lock-out, and the guard before ``/read`` and ``/manage``."""

from html import escape
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from reader_study import sign_in as signing
from reader_study.accounts import User
from reader_study.database import Database
from reader_study.errors import BadCredentials, LockedOut
from webapp.areas import area_of, home_of
from webapp.language import COOKIE as LANGUAGE_COOKIE
from webapp.language import Language, preferred_language
from webapp.settings import Settings
from webapp.shell import standalone_page

COOKIE = "retizero_session"


def language_of(request: Request) -> Language:
    """Return the language of a plain HTTP request."""
    return Language(
        preferred_language(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))
    )


class AreaGuard:
    """ASGI middleware: ``/read`` and ``/manage`` are reached only with a live session of the right role.

    It stands before Gradio, so pages, ``/config``, queue, files and uploads are closed by one rule.
    """

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self.app = app
        self.database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, send it to the login page, or refuse it."""
        area = area_of(scope.get("path", ""))
        if scope["type"] not in ("http", "websocket") or area is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope) if scope["type"] == "http" else None
        user = await run_in_threadpool(signed_in_user, self.database, Headers(scope=scope))
        if user is not None and user.role in area.roles:
            scope.setdefault("state", {})["user"] = user
            await self.app(scope, receive, send)
            return
        response: Response
        if (
            request is not None
            and request.method == "GET"
            and "text/html" in request.headers.get("accept", "")
        ):
            # A signed-in user of the other area is shown the login page too: which pages exist is no secret.
            response = RedirectResponse(f"/login?next={quote(scope['path'])}", status_code=303)
        else:
            response = PlainTextResponse("Sign in first.", status_code=401)
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)


def signed_in_user(database: Database, headers: Headers) -> User | None:
    """Return the user of a request's session cookie, or None; asked anew on every request."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return signing.user_of(database, cookie.value) if cookie is not None and cookie.value else None


def routes(database: Database, settings: Settings) -> APIRouter:
    """Return ``/login``, ``/logout`` and ``/language``."""
    router = APIRouter()

    @router.get("/login", response_class=HTMLResponse)
    def login_page(request: Request, next: str = "") -> HTMLResponse:
        return HTMLResponse(_login_page(language_of(request), _local_path(next)))

    # A password takes long to check on purpose: those who wait for it have threads of their own.
    threads = CapacityLimiter(signing.PASSWORDS_AT_ONCE)

    @router.post("/login")
    async def login(
        request: Request, username: str = Form(""), password: str = Form(""), next: str = Form("")
    ) -> Response:
        words = language_of(request)
        address = request.client.host if request.client else ""
        try:
            signed_in = await to_thread.run_sync(
                signing.sign_in, database, username, password, address, limiter=threads
            )
        except LockedOut as error:
            minutes = max(1, round(error.retry_after_seconds / 60))
            sentence = words("login.locked", minutes=minutes)
            headers = {"Retry-After": str(error.retry_after_seconds)}
            return HTMLResponse(_login_page(words, _local_path(next), sentence), 429, headers)
        except BadCredentials:
            return HTMLResponse(_login_page(words, _local_path(next), words("login.wrong")), 401)
        target = _local_path(next)
        area = area_of(target.partition("?")[0])
        if area is None or signed_in.user.role not in area.roles:
            target = home_of(signed_in.user)
        response = RedirectResponse(target, status_code=303)
        response.set_cookie(
            COOKIE, signed_in.token, max_age=int(settings.session_hours * 3600), httponly=True,
            samesite="lax", secure=settings.secure_cookies, path="/",
        )  # fmt: skip
        return response

    @router.post("/logout")
    def logout(request: Request) -> Response:
        token = request.cookies.get(COOKIE)
        if token:
            signing.sign_out(database, token)
        response = RedirectResponse("/", status_code=303)
        response.delete_cookie(COOKIE, path="/")
        return response

    @router.get("/me")
    def me(request: Request) -> JSONResponse:
        user = signed_in_user(database, request.headers)
        return JSONResponse(
            {"username": user.username, "role": user.role} if user else {}, 200 if user else 401
        )

    @router.get("/language/{code}")
    def language(code: str, next: str = "/") -> Response:
        response = RedirectResponse(_local_path(next) or "/", status_code=303)
        if code in ("en", "zh"):
            response.set_cookie(LANGUAGE_COOKIE, code, max_age=31_536_000, samesite="lax", path="/")
        return response

    return router


def _local_path(target: str) -> str:
    """Return a path of this server, or nothing: a login page never forwards to another site."""
    parts = urlsplit(target)
    safe = (
        target.startswith("/")
        and not target.startswith(("//", "/\\"))
        and not parts.netloc
        and not parts.scheme
    )
    return target if safe and "\\" not in target and "\n" not in target and "\r" not in target else ""


def _login_page(words: Language, target: str, problem: str = "") -> str:
    alert = f'<p class="rz-problem" role="alert">{escape(problem)}</p>' if problem else ""
    return standalone_page(
        words,
        title=words("login.title"),
        here="/login",
        body=f"""
<main class="rz-card rz-login">
  <h1>{escape(words("login.title"))}</h1>
  <p>{escape(words("login.who"))}</p>
  {alert}
  <form method="post" action="/login">
    <input type="hidden" name="next" value="{escape(target, quote=True)}">
    <label for="username">{escape(words("login.username"))}</label>
    <input id="username" name="username" autocomplete="username" autocapitalize="none" required autofocus>
    <label for="password">{escape(words("login.password"))}</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required>
    <button type="submit">{escape(words("login.submit"))}</button>
  </form>
</main>""",
    )
