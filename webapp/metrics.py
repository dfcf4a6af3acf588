"""``/metrics``: request counts and times in the Prometheus text format, without names or addresses."""

import threading
import time
from collections import Counter, defaultdict

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AREAS = ("read", "manage", "image", "login", "health", "gradio_api")


class _Counts:
    """Process-wide totals behind a lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: Counter[tuple[str, str]] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def text(self) -> str:
        with self.lock:
            lines = ["# TYPE retizero_requests_total counter"]
            lines += [
                f'retizero_requests_total{{area="{area}",status="{status}"}} {n}'
                for (area, status), n in sorted(self.requests.items())
            ]
            lines.append("# TYPE retizero_request_seconds_total counter")
            lines += [
                f'retizero_request_seconds_total{{area="{a}"}} {s:.6f}'
                for a, s in sorted(self.seconds.items())
            ]
        return "\n".join(lines) + "\n"


_COUNTS = _Counts()


class RequestCounter:
    """ASGI middleware that counts answers by area and status class."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        first = scope["path"].strip("/").split("/")[0]
        area = first if first in AREAS else "demo"
        started = time.perf_counter()
        status = "5xx"

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = f"{message['status'] // 100}xx"
            await send(message)

        try:
            await self.app(scope, receive, watching)
        finally:
            with _COUNTS.lock:
                _COUNTS.requests[area, status] += 1
                _COUNTS.seconds[area] += time.perf_counter() - started


def routes() -> APIRouter:
    """Return ``/metrics``."""
    router = APIRouter()

    @router.get("/metrics")
    def metrics() -> PlainTextResponse:
        return PlainTextResponse(_COUNTS.text(), media_type="text/plain; version=0.0.4")

    return router
