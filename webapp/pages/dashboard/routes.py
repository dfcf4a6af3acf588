"""The dashboard's addresses; ``results`` decides what each viewer may see, the area guard who comes here."""

import csv
import gzip
from collections.abc import Iterable, Sequence
from functools import cache
from io import StringIO
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from reader_study import results
from reader_study.documents import to_html
from reader_study.documents.html import plotly_script
from reader_study.errors import StudyError
from reader_study.exchange import safe_cell
from webapp.language import Language
from webapp.pages.dashboard.filters import Filters
from webapp.pages.dashboard.kept import KeptReports
from webapp.pages.dashboard.page import HERE, Asked, page, section_of
from webapp.pages.dashboard.panels import accuracy_rows, panel
from webapp.pages.managing.acting import Acting, acting
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import statement


def routes(rooms: Rooms) -> APIRouter:
    """Return the dashboard, its sections, the tables of its figures, the report, and Plotly's script."""
    router = APIRouter()
    Who = Annotated[Acting, Depends(acting(rooms))]
    kept = KeptReports(rooms.database)

    @router.get("/manage/results", include_in_schema=False)
    @router.get(HERE)
    def dashboard(request: Request, who: Who) -> HTMLResponse:
        studies = results.studies(who.database, who.user.id)
        asked = Asked.of_query(request.query_params, studies)
        return who.page(who.words("manage.nav_results"), HERE, page(who, asked, studies, kept))

    @router.get("/manage/results/section")
    def section(request: Request, who: Who) -> JSONResponse:
        asked = Asked.of_query(request.query_params, results.studies(who.database, who.user.id))
        try:
            content, figures, _ = section_of(who, asked, kept)
        except StudyError as error:
            content, figures = statement(refusal(error, who.words), "problem"), "{}"
        return JSONResponse({"html": content, "figures": figures})

    @router.get("/manage/results/table.csv")
    def table(request: Request, who: Who, figure: str) -> Response:
        asked = Asked.of_query(request.query_params, results.studies(who.database, who.user.id))
        try:
            if figure in ("progress", "quality"):
                document = {"quality": results.data_quality(who.database, who.user.id, asked.study)}
                shown = panel(document, figure, asked.metric, who.words)
            else:
                report = kept.report(who.user.id, asked.study, asked.filters)
                shown = panel(report.document, figure, asked.metric, who.words)
        except StudyError as error:
            return PlainTextResponse(refusal(error, who.words), 403)
        except KeyError:
            return PlainTextResponse(refusal("There is no such figure.", who.words), 404)
        if shown.table is None:
            return PlainTextResponse(shown.reason, 404)
        return _csv(f"{figure}.csv", shown.table.header, shown.table.rows)

    @router.get("/manage/results.csv")
    def accuracy(who: Who, study: str) -> Response:
        try:
            report = kept.report(who.user.id, study, Filters())
        except StudyError as error:
            return PlainTextResponse(refusal(error, who.words), 403)
        words: Language = who.words
        header = [words(f"manage.{k}") for k in ("reader", "metric", "correct", "accuracy", "interval")]
        return _csv("results.csv", header, accuracy_rows(report, words))

    @router.get("/manage/report.html")
    def document(who: Who, study: str) -> Response:
        try:
            body = to_html(kept.report(who.user.id, study, Filters()).to_json(), who.words.code)
        except StudyError as error:
            return PlainTextResponse(refusal(error, who.words), 403)
        headers = {"Content-Disposition": 'attachment; filename="report.html"'}
        return Response(body, media_type="text/html; charset=utf-8", headers=headers)

    @router.get("/plotly.js", include_in_schema=False)
    def plotly(request: Request) -> Response:
        headers = {"Cache-Control": "public, max-age=86400", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(_packed(), media_type="text/javascript", headers=headers)
        return Response(plotly_script(), media_type="text/javascript", headers=headers)

    return router


@cache
def _packed() -> bytes:
    return gzip.compress(plotly_script().encode(), 6)


def _csv(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    # The byte order mark lets spreadsheet programs read Chinese names.
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("\ufeff" + out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
