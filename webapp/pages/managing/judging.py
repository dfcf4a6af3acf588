"""Those who judge: free text adjudicated blind, and panel members who vote on the reference standard."""

from html import escape
from typing import Annotated
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from reader_study import adjudication, panel, results
from reader_study.errors import DesignError, StudyError
from reader_study.photographs import photographs_of
from retizero.knowledge import label_set
from webapp import forms
from webapp.images import AT_ONCE, CLOSED
from webapp.pages.managing.acting import Acting, acting, problem
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import statement


def routes(rooms: Rooms) -> APIRouter:
    """Return the pages of adjudicators and panel members of a study."""
    router = APIRouter()
    Who = Annotated[Acting, Depends(acting(rooms))]
    Text = Annotated[str, Form()]
    threads = CapacityLimiter(AT_ONCE)

    @router.get("/studies/{study}/adjudication")
    def next_text(study: str, who: Who) -> HTMLResponse:
        return _text_page(who, study)

    @router.post("/studies/{study}/adjudication")
    def decide(
        study: str, who: Who, key: Text = "", diagnosis: Text = "", none: Text = "", comment: Text = ""
    ) -> Response:
        try:
            if not none and not diagnosis.strip():
                raise DesignError(who.words("manage.judge_need"))
            named = None if none else diagnosis.strip()
            adjudication.decide(who.database, who.user.id, study, key, named, comment)
        except StudyError as error:
            return _text_page(who, study, *problem(error, who.words))
        return RedirectResponse(f"/manage/studies/{quote(study)}/adjudication", 303)

    @router.get("/studies/{study}/panel")
    def next_case(study: str, who: Who) -> HTMLResponse:
        return _case_page(who, study)

    @router.post("/studies/{study}/panel")
    def vote(study: str, who: Who, key: Text = "", diagnoses: Text = "", comment: Text = "") -> Response:
        named = [part.strip() for part in diagnoses.replace("；", ";").split(";") if part.strip()]
        try:
            panel.vote(who.database, who.user.id, study, key, named, comment)
        except StudyError as error:
            return _case_page(who, study, *problem(error, who.words))
        return RedirectResponse(f"/manage/studies/{quote(study)}/panel", 303)

    @router.get("/studies/{study}/panel/{key}.png")
    async def photograph(study: str, key: str, who: Who) -> Response:
        return await to_thread.run_sync(_photograph, who, study, key, limiter=threads)

    return router


def _photograph(who: Acting, study: str, key: str) -> Response:
    try:
        path = panel.image_for(who.database, who.user.id, study, key)
        beside = photographs_of(who.database, study)
        mine = next(photograph for photograph in beside if photograph.path == path)
        return Response(who.rooms.photographs.png(mine, beside), media_type="image/png", headers=CLOSED)
    except (StudyError, OSError):
        return PlainTextResponse(refusal("There is no such image for you now.", who.words), 404, CLOSED)


def _text_page(who: Acting, study: str, said: str = "", code: int = 200) -> HTMLResponse:
    words, here = who.words, f"/manage/studies/{quote(study)}/adjudication"
    title = words("manage.adjudication")
    try:
        pending = adjudication.next_text(who.database, who.user.id, study)
        names = _names(who, study)
    except StudyError as error:
        told, code = problem(error, who.words)
        return who.page(title, here, f"<h1>{escape(title)}</h1>{told}", code)
    if pending is None:
        return who.page(
            title,
            here,
            f"<h1>{escape(title)}</h1>{said}{statement(words('manage.judged_all'), 'good')}",
            code,
        )
    body = f"""<h1>{escape(title)}</h1>{said}{statement(words("manage.judge_blind"), "quiet")}
<p>{escape(words("manage.judge_left", n=pending.left))}</p>
<blockquote class="rz-quote">{escape(pending.text)}</blockquote>{names}{
        forms.form(
            here,
            f'<input type="hidden" name="key" value="{escape(pending.key, quote=True)}">',
            forms.text("diagnosis", words("manage.judge_means"), more='list="rz-names" maxlength=200'),
            forms.tick("none", words("manage.judge_none")),
            forms.text("comment", words("manage.remark"), more="maxlength=500"),
            submit=words("manage.judge_store"),
        )
    }"""
    return who.page(title, here, body, code)


def _case_page(who: Acting, study: str, said: str = "", code: int = 200) -> HTMLResponse:
    words, here = who.words, f"/manage/studies/{quote(study)}/panel"
    title = words("manage.panel")
    try:
        case = panel.next_case(who.database, who.user.id, study)
        names = _names(who, study)
    except StudyError as error:
        told, code = problem(error, who.words)
        return who.page(title, here, f"<h1>{escape(title)}</h1>{told}", code)
    if case is None:
        return who.page(
            title, here, f"<h1>{escape(title)}</h1>{said}{statement(words('manage.voted_all'), 'good')}", code
        )
    body = f"""<h1>{escape(title)}</h1>{said}
<p>{escape(words("manage.panel_case", number=case.number, total=case.total))}</p>
<div class="rz-panes"><figure class="rz-panel"><img src="{here}/{case.key}.png" alt="{
        escape(words("manage.panel_image"), quote=True)
    }"></figure>
<section>{names}{
        forms.form(
            here,
            f'<input type="hidden" name="key" value="{escape(case.key, quote=True)}">',
            forms.text(
                "diagnoses",
                words("manage.panel_diagnoses"),
                help=words("manage.panel_help"),
                more='list="rz-names" required maxlength=1000',
            ),
            forms.text("comment", words("manage.remark"), more="maxlength=500"),
            submit=words("manage.vote"),
        )
    }</section></div>"""
    return who.page(title, here, body, code)


def _names(who: Acting, study: str) -> str:
    labels = label_set(results.study_status(who.database, who.user.id, study).label_set)
    options = "".join(f"<option>{escape(name)}</option>" for name in labels.names)
    return f'<datalist id="rz-names">{options}</datalist>'
