"""Which of Gradio's own routes are open: an allow list for the demo, a shorter one behind the login.

Gradio serves more than a page needs (uploads, files by path, a proxy, calls of any function by name or index,
monitoring). What is not on a list here answers 404. Behind the login, a Gradio session belongs to the user
who opened it: nobody else's request can join it or listen to it.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webapp.areas import area_of

PAGES_ONLY = ("startup-events", "heartbeat/", "queue/join", "queue/data", "info", "app_id", "cancel", "reset")
DEMO = (*PAGES_ONLY, "openapi.json", "call/", "run/", "api/", "upload", "upload_progress", "file=")
NEVER = re.compile(
    r"/(runs|run-history|monitoring|profiling|dev|svelte|token|user|login_check|vibe[\w-]*)(/|$)"
)
LARGEST_JOIN = 256 * 1024  # bytes of one call from a page behind the login; there are no uploads there
REMEMBERED = 20_000  # Gradio sessions


class GradioDoors:
    """ASGI middleware; stands behind the area guard, which has put the user into ``state``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._owners: OrderedDict[str, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an open route through; answer 404 to the others, and to a session of somebody else's."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        closed = area_of(path) is not None
        _, marker, route = path.partition("/gradio_api/")
        known = _matches(route, PAGES_ONLY if closed else DEMO) if marker else not NEVER.search(path)
        if known and closed and marker:
            receive, known = await self._own_session(scope, receive, route)
        if known:
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send)

    async def _own_session(self, scope: Scope, receive: Receive, route: str) -> tuple[Receive, bool]:
        """Whether every session that a request names is the user's; with a way to read its body again."""
        named = list(parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", []))
        if route.startswith("heartbeat/"):
            named.append(route.removeprefix("heartbeat/"))
        if scope["method"] == "POST":
            body = await _body(receive, Headers(scope=scope))
            if body is None:
                return receive, False
            receive = _again(body, receive)
            named += _session_of(body)
        user = scope["state"]["user"].id
        return receive, all([self._belongs(session, user) for session in named])

    def _belongs(self, session: str, user: str) -> bool:
        owner = self._owners.setdefault(session[:200], user)
        self._owners.move_to_end(session[:200])
        while len(self._owners) > REMEMBERED:
            self._owners.popitem(last=False)
        return owner == user


def _matches(route: str, names: Sequence[str]) -> bool:
    return any(
        route.startswith(name) if name.endswith(("/", "=")) else route.rstrip("/") == name for name in names
    )


async def _body(receive: Receive, headers: Headers) -> bytes | None:
    """The whole body; ``None`` where it is longer than any call of a page."""
    if int(headers.get("content-length") or 0) > LARGEST_JOIN:
        return None
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > LARGEST_JOIN:
            return None
    return body


def _again(body: bytes, after: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else await after()

    return receive


def _session_of(body: bytes) -> list[str]:
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        return []
    session = content.get("session_hash") if isinstance(content, dict) else None
    return [session] if isinstance(session, str) else []
