"""The FastAPI server: Gradio apps for each language, login, images by token, health, protective headers."""

import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reader_study.errors import StudyError
from reader_study.photographs import photographs_being_read
from webapp import images, metrics, sessions
from webapp.gradio_doors import GradioDoors
from webapp.language import CODES, Code, Language
from webapp.pages import benchmark, dashboard, demo, diseases, joining, managing, planning, reading
from webapp.rooms import Rooms
from webapp.shell import HEAD
from webapp.theme import style_sheet, theme
from webapp.upload_folder import UploadFolder

# 'unsafe-eval', 'unsafe-inline': Gradio's front end compiles templates and sets styles. No host but ours.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "worker-src 'self' blob:; connect-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'{ancestors}"
)

PRIVATE = ("/read", "/manage", "/login", "/me", "/account", "/invite")
"""Paths whose answers nobody may keep."""


def build_server(rooms: Rooms) -> FastAPI:
    """Return the whole application, ready for an ASGI server."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    uploads = UploadFolder()
    inner = {code: _pages_in(Language(code), rooms) for code in CODES}

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for app in inner.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            threading.Thread(target=_warm_up, args=(rooms,), daemon=True).start()
            yield
        rooms.database.close()
        uploads.release()

    server = FastAPI(
        title="RetiZero Studio", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    server.include_router(sessions.routes(rooms.database, rooms.settings))
    server.include_router(images.routes(rooms.database, rooms.photographs))
    server.include_router(reading.routes(rooms.database))
    server.include_router(managing.routes(rooms))
    server.include_router(dashboard.routes(rooms))
    server.include_router(joining.routes(rooms.database))
    server.include_router(benchmark.routes(rooms))
    server.include_router(planning.routes(rooms))
    server.include_router(diseases.routes())
    server.include_router(metrics.routes())

    @server.get("/health")
    def health() -> Response:
        ready = rooms.database.ready()
        state = {
            "status": "ok" if ready else "starting",
            "model": rooms.engine.identity.id,
            "database": "ready" if ready else "not ready",
        }
        return JSONResponse(state, 200 if ready else 503)

    server.mount("/", ByLanguage(inner))
    server.add_middleware(GradioDoors)
    server.add_middleware(sessions.AreaGuard, database=rooms.database)
    server.add_middleware(SameOrigin)
    server.add_middleware(metrics.RequestCounter)
    server.add_middleware(SecurityHeaders)
    return server


def _warm_up(rooms: Rooms) -> None:
    """Prepare what readers of open studies will ask for, in the background of the start."""
    with contextlib.suppress(OSError, StudyError):
        for photographs in photographs_being_read(rooms.database).values():
            rooms.photographs.prepare(photographs)
        rooms.blinding.learn()


def _pages_in(words: Language, rooms: Rooms) -> FastAPI:
    """Return the Gradio mounts in one language; a path below another one's comes before it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    pages: list[tuple[str, Callable[[Language, Rooms], gr.Blocks], bool]] = [
        ("/read", reading.page, False),
        ("/", demo.page, True),
    ]
    for path, build, public in pages:
        blocks = build(words, rooms)
        blocks.queue(default_concurrency_limit=4, max_size=256, api_open=public)
        gr.mount_gradio_app(
            app,
            blocks,
            path,
            footer_links=["api"] if public else [],
            run_history=False,
            show_error=False,
            max_file_size=rooms.settings.max_upload_mb * 1024 * 1024 if public else 1,
            ssr_mode=False,
            enable_monitoring=False,
            mcp_server=False,
            blocked_paths=[str(rooms.settings.data.resolve())],
            theme=theme(),
            # A <style> of our own: Gradio rewrites its css argument and loses @media rules.
            head=f"{HEAD}<style>{style_sheet()}</style>",
        )
    return app


class ByLanguage:
    """Hand a request to the pages of its language: same routes, same structure, other words."""

    def __init__(self, apps: dict[Code, FastAPI]) -> None:
        self.apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward unchanged."""
        code = sessions.language_of(Request({**scope, "type": "http"})).code
        await self.apps[code](scope, receive, send)


class SameOrigin:
    """Refuse state-changing requests that another site's page sent (Origin and Sec-Fetch-Site checked)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let same-origin and non-browser requests through."""
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            request = Request(scope)
            if _is_foreign(request):
                await PlainTextResponse("Requests from other sites are refused.", 403)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _is_foreign(request: Request) -> bool:
    """Whether a page of another site sent this; a browser says so itself where it can (Fetch Metadata).

    The Host header may be a proxy's, and what a proxy forwards may be forged, so that Origin is compared with
    Host only for browsers, or addresses, where Sec-Fetch-Site is not sent.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")


class SecurityHeaders:
    """Put the same protective headers on every answer; close caches for everything behind the login."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # A Space is shown inside a frame of huggingface.co; everywhere else nobody may frame these pages.
        ancestors = "" if "SPACE_ID" in os.environ else "; frame-ancestors 'self'"
        self.policy = CONTENT_SECURITY_POLICY.format(ancestors=ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add headers to the start of each response."""
        private = scope["type"] == "http" and scope["path"].startswith(PRIVATE)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self.policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                if private:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self.app(scope, receive, with_headers)
