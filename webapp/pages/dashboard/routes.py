"""Downloads for managers; the area guard has let only managing roles through, ``results`` checks the rest."""

import csv
from io import StringIO

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from reader_study import results
from reader_study.database import Database
from reader_study.documents import to_html
from reader_study.errors import StudyError
from reader_study.exchange import safe_cell
from webapp.pages.dashboard.panels import accuracy_rows
from webapp.sessions import language_of, signed_in_user


def routes(database: Database) -> APIRouter:
    """Return ``/manage/results.csv`` and ``/manage/report.html``."""
    router = APIRouter(prefix="/manage")

    @router.get("/results.csv")
    def table(request: Request, study: str) -> Response:
        user = signed_in_user(database, request.headers)
        if user is None:
            return PlainTextResponse("Sign in first.", 401)
        words = language_of(request)
        try:
            report = results.results(database, user.id, study)
        except StudyError as error:
            return PlainTextResponse(str(error), 403)
        out = StringIO()
        writer = csv.writer(out)
        writer.writerow(
            [words(f"manage.{k}") for k in ("reader", "metric", "correct", "accuracy", "interval")]
        )
        writer.writerows([safe_cell(cell) for cell in row] for row in accuracy_rows(report, words))
        # The byte order mark lets spreadsheet programs read Chinese names.
        body = "\ufeff" + out.getvalue()
        headers = {"Content-Disposition": 'attachment; filename="results.csv"'}
        return Response(body, media_type="text/csv; charset=utf-8", headers=headers)

    @router.get("/report.html")
    def document(request: Request, study: str) -> Response:
        user = signed_in_user(database, request.headers)
        if user is None:
            return PlainTextResponse("Sign in first.", 401)
        try:
            body = to_html(results.results(database, user.id, study).to_json())
        except StudyError as error:
            return PlainTextResponse(str(error), 403)
        headers = {"Content-Disposition": 'attachment; filename="report.html"'}
        return Response(body, media_type="text/html; charset=utf-8", headers=headers)

    return router
