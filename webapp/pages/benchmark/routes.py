"""``/manage/benchmarks/``: begin a benchmark, follow it, read and download its results."""

import json
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from retizero.evaluation.documents import plotly_script, to_csv, to_html, to_markdown
from retizero.evaluation.tables import Code
from retizero.model import known_models
from retizero.serving import Engine
from webapp.language import Language
from webapp.pages.benchmark import view
from webapp.pages.benchmark.manifests import manifest_folder, offered
from webapp.pages.benchmark.runs import BenchmarkRuns, Order, Run, protocols
from webapp.pages.managing.acting import Acting, acting
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import statement

SECONDS_BETWEEN_LOOKS = 2
WRITERS: dict[str, tuple[str, Callable[[dict[str, Any], Code], str]]] = {
    "html": ("text/html", to_html),
    "md": ("text/markdown", to_markdown),
    "csv": ("text/csv", lambda result, code: "\ufeff" + to_csv(result, code)),
    "json": ("application/json", lambda result, _: _json(result)),
}


def routes(rooms: Rooms) -> APIRouter:
    """Return the pages of benchmarks, and Plotly's script, which holds nothing secret."""
    router = APIRouter()
    runs = BenchmarkRuns(rooms.settings.data / "benchmarks", _loader(rooms))
    Who = Annotated[Acting, Depends(acting(rooms))]

    def overview(who: Acting, said: str = "", status: int = 200) -> HTMLResponse:
        settings = rooms.settings
        body = view.overview(who.words, offered(settings), manifest_folder(settings), runs.all())
        return who.page(who.words("benchmark.title"), f"{view.PATH}/", said + body, status)

    @router.get(view.PATH, include_in_schema=False)
    @router.get(f"{view.PATH}/")
    def begin_page(who: Who) -> HTMLResponse:
        return overview(who)

    @router.post(view.PATH)
    def begin(
        who: Who,
        manifest: Annotated[str, Form()] = "",
        protocol: Annotated[str, Form()] = "",
        split: Annotated[str, Form(max_length=40)] = "",
        model: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        task, _, name = protocol.partition("/")
        present = {each.id for each in known_models() if each.present}
        chosen = tuple(dict.fromkeys(model or ()))
        file = offered(rooms.settings).get(manifest)
        if file is None or (task, name) not in {each[:2] for each in protocols()}:
            return overview(who, statement(who.words("benchmark.choose"), "problem"), 422)
        if not chosen or not present.issuperset(chosen):
            return overview(who, statement(who.words("benchmark.choose_model"), "problem"), 422)
        order = Order(manifest, split.strip(), chosen, task, name, who.user.username)
        try:
            run = runs.begin(order, file)
        except ValueError as error:
            return overview(who, statement(refusal(error, who.words), "problem"), 422)
        return RedirectResponse(view.address(run), 303)

    @router.get(f"{view.PATH}/{{id}}")
    def follow(id: str, who: Who) -> HTMLResponse:
        run = _found(runs, id, who.words)
        answer = who.page(who.words("benchmark.title"), view.address(run), view.run_page(who.words, run))
        if run.state in ("waiting", "running"):
            answer.headers["Refresh"] = str(SECONDS_BETWEEN_LOOKS)
        return answer

    @router.post(f"{view.PATH}/{{id}}/stop")
    def stop(id: str, who: Who) -> Response:
        runs.stop(id)
        return RedirectResponse(view.address(_found(runs, id, who.words)), 303)

    @router.get(f"{view.PATH}/{{id}}/{{number}}.{{kind}}")
    def download(id: str, number: int, kind: str, who: Who) -> Response:
        results = list(_found(runs, id, who.words).results.values())
        if kind not in WRITERS or not 0 <= number < len(results):
            raise HTTPException(404, refusal("There is no such result.", who.words))
        media, write = WRITERS[kind]
        headers = {"Content-Disposition": f'attachment; filename="benchmark-{id}-{number}.{kind}"'}
        body = write(results[number], who.words.code)
        return Response(body, media_type=f"{media}; charset=utf-8", headers=headers)

    @router.get(view.PLOTLY)
    def plotly() -> Response:
        headers = {"Cache-Control": "public, max-age=86400"}
        return Response(plotly_script(), media_type="text/javascript; charset=utf-8", headers=headers)

    return router


def _found(runs: BenchmarkRuns, id: str, words: Language) -> Run:
    run = runs.get(id)
    if run is None:
        raise HTTPException(404, refusal("There is no such benchmark.", words))
    return run


def _loader(rooms: Rooms) -> Callable[[str], Engine]:
    """Engines by model id; the server's own model is not loaded twice."""

    @cache
    def load(model: str) -> Engine:
        own = rooms.engine
        return own if model == own.identity.id else Engine.load(model, rooms.settings.device)

    return load


def _json(result: dict[str, Any]) -> str:
    return json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)
