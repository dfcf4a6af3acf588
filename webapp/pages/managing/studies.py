"""``/manage/``: the studies, and each one's page with its progress, those who judge, and its next step."""

from collections.abc import Callable
from html import escape
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from reader_study import adjudication, panel, results, states
from reader_study.errors import StudyError
from reader_study.results import StudyStatus
from webapp import forms
from webapp.areas import RESULT_ROLES, STEPPING_ROLES
from webapp.freezing import Opening, Openings
from webapp.pages.managing.acting import Acting, acting, problem
from webapp.pages.managing.progress import STATE_WORDS, facts, progress
from webapp.rooms import Rooms
from webapp.tables import html_table, progress_bar, statement

STEPS: dict[str, tuple[str, Callable[..., None]]] = {
    "draft": ("open", states.open_study),
    "open": ("lock", states.lock_study),
    "locked": ("unblind", states.unblind_study),
    "unblinded": ("archive", states.archive_study),
}
"""What can be done in each state: the step's word and the function that does it."""
TASKS = ("adjudication", "panel")


def address(study: str) -> str:
    """The path of a study's page."""
    return f"/manage/studies/{quote(study)}"


def routes(rooms: Rooms) -> APIRouter:
    """Return ``/manage/``, a study's page, its change of state and the naming of those who judge."""
    router = APIRouter()
    openings = Openings(rooms)
    Who = Annotated[Acting, Depends(acting(rooms))]
    Text = Annotated[str, Form()]

    @router.get("", include_in_schema=False)
    @router.get("/")
    def overview(who: Who) -> HTMLResponse:
        return who.page(who.words("manage.title"), "/manage/", _overview(who))

    @router.get("/studies/{study}")
    def study_page(study: str, who: Who) -> HTMLResponse:
        return _study(who, study, openings.of(study))

    @router.post("/studies/{study}/judges")
    def name_judge(study: str, who: Who, username: Text = "", task: Text = "adjudication") -> Response:
        assign = panel.assign_panelist if task == "panel" else adjudication.assign_adjudicator
        return _do(who, study, lambda: assign(who.database, study, username, actor_id=who.user.id))

    @router.post("/studies/{study}/close-panel")
    def close_panel(study: str, who: Who) -> Response:
        return _do(who, study, lambda: panel.close_panel(who.database, study, actor_id=who.user.id))

    @router.post("/studies/{study}/open")
    def open_study(study: str, who: Who, sure: Text = "", without_model: Text = "") -> Response:
        if not sure:
            return _study(who, study, None, statement(who.words("manage.need_sure"), "problem"), 422)
        try:
            status = results.study_status(who.database, who.user.id, study)
        except StudyError as error:
            return _study(who, study, None, *problem(error, who.words))
        if (
            without_model
            or status.model is not None
            or status.state != "draft"
            or who.user.role not in STEPPING_ROLES
        ):
            alone = bool(without_model)
            return _do(
                who,
                study,
                lambda: states.open_study(who.database, study, actor_id=who.user.id, without_model=alone),
            )
        openings.start(study, status.label_set, aided="aided" in status.arms, actor_id=who.user.id)
        return RedirectResponse(address(study), 303)

    @router.post("/studies/{study}/{step}")
    def take_step(study: str, step: str, who: Who, sure: Text = "") -> Response:
        known = {name: do for name, do in STEPS.values()}
        if step not in known:
            return _study(who, study, None, statement(who.words("manage.no_such_page"), "problem"), 404)
        if not sure:
            return _study(who, study, None, statement(who.words("manage.need_sure"), "problem"), 422)
        return _do(who, study, lambda: known[step](who.database, study, actor_id=who.user.id))

    return router


def _do(who: Acting, study: str, do: Callable[[], object]) -> Response:
    try:
        do()
    except StudyError as error:
        return _study(who, study, None, *problem(error, who.words))
    return RedirectResponse(address(study), 303)


def _overview(who: Acting) -> str:
    words = who.words
    found = results.studies(who.database, who.user.id)
    new = ""
    if who.user.role in STEPPING_ROLES:
        new = f'<p><a class="rz-button" href="/manage/new">{escape(words("manage.new"))}</a></p>'
    if not found:
        return f"<h1>{escape(words('manage.title'))}</h1>{statement(words('manage.none'))}{new}"
    rows = "".join(
        f'<tr><th scope="row"><a href="{address(s.name)}">{escape(s.title)}</a></th>'
        f"<td>{escape(s.name)}</td><td>{escape(words(STATE_WORDS[s.state]))}</td>"
        f'<td class="rz-number">{s.cases}</td><td class="rz-number">{len(s.readers)}</td>'
        f'<td class="rz-number">{s.readings} / {s.expected_readings}</td></tr>'
        for s in found
    )
    heads = "".join(
        f'<th scope="col"{numeric}>{escape(words(f"manage.{key}"))}</th>'
        for key, numeric in (
            ("study", ""), ("name", ""), ("state", ""), ("cases", ' class="rz-number"'),
            ("readers", ' class="rz-number"'), ("readings", ' class="rz-number"'),
        )
    )  # fmt: skip
    return (
        f"<h1>{escape(words('manage.title'))}</h1>{new}"
        f'<div class="rz-table" tabindex="0" role="region" aria-label="{escape(words("manage.title"))}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _study(who: Acting, study: str, opening: Opening | None, said: str = "", code: int = 200) -> HTMLResponse:
    words = who.words
    try:
        status = results.study_status(who.database, who.user.id, study)
    except StudyError as error:
        said, code = problem(error, who.words)
        return who.page(words("manage.title"), "/manage/", said, 404 if code == 422 else code)
    running = opening is not None and not opening.finished
    body = f"""<h1>{escape(status.title)}</h1>{said}{_opening(who, status, opening)}
<section id="rz-status">{facts(status, words)}{_ways(who, status)}{progress(status, words)}</section>
{_judges(who, status)}{"" if running else _step(who, status)}"""
    answer = who.page(status.title, address(study), body, code)
    if running:
        answer.headers["Refresh"] = "2"
    return answer


def _opening(who: Acting, status: StudyStatus, opening: Opening | None) -> str:
    """How far the opening is, while it runs, and why it failed."""
    if opening is None or (opening.finished and not opening.problem):
        return ""
    if opening.problem:
        return problem(opening.problem, who.words)[0] if status.state == "draft" else ""
    words = who.words("manage.opening", done=opening.done, total=opening.total)
    return progress_bar(words, opening.done, opening.total)


def _ways(who: Acting, status: StudyStatus) -> str:
    links = []
    if who.user.role in RESULT_ROLES:
        links.append((f"/manage/results/?study={quote(status.name)}", who.words("manage.to_results")))
        links.append((f"{address(status.name)}/export.zip", who.words("manage.export")))
    for task, kind in (("adjudication", adjudication.FREE_TEXT), ("panel", panel.PANEL)):
        if status.name in adjudication.judging(who.database, who.user.id, task=kind):
            links.append((f"{address(status.name)}/{task}", who.words(f"manage.{task}")))
    shown = " · ".join(f'<a class="rz-download" href="{href}">{escape(text)}</a>' for href, text in links)
    return f"<p>{shown}</p>" if shown else ""


def _judges(who: Acting, status: StudyStatus) -> str:
    """Who adjudicates free text and who votes in the panel, for those who may name them."""
    if who.user.role not in STEPPING_ROLES or status.state not in ("draft", "open", "locked"):
        return ""
    words, database = who.words, who.database
    judges = (adjudication.adjudicators, panel.panelists)
    named = [
        (words(f"manage.{task}"), ", ".join(names(database, status.name, actor_id=who.user.id)) or "–")
        for task, names in zip(TASKS, judges, strict=True)
    ]
    far = adjudication.adjudication_status(database, status.name, actor_id=who.user.id)
    form = forms.form(
        f"{address(status.name)}/judges",
        forms.text("username", words("login.username"), more="required maxlength=64"),
        forms.choice("task", words("manage.task"), [(task, words(f"manage.{task}")) for task in TASKS]),
        submit=words("manage.name_judge"),
        quiet=True,
    )
    told = (
        statement(words("manage.judged", resolved=far.resolved, texts=far.texts), "quiet")
        if far.texts
        else ""
    )
    return (
        f'<details class="rz-more"><summary>{escape(words("manage.judges"))}</summary>{told}'
        + html_table(words("manage.judges"), [words("manage.task"), words("manage.people")], named)
        + form
        + _panel(who, status)
        + "</details>"
    )


def _panel(who: Acting, status: StudyStatus) -> str:
    """How the panel's votes stand, and the button that makes them the reference standard."""
    words = who.words
    if status.state != "draft" or not panel.panelists(who.database, status.name, actor_id=who.user.id):
        return ""
    rows = [
        (
            case.case,
            case.votes,
            "; ".join(f"{name} ({n})" for name, n in case.named),
            ", ".join(case.settled) or case.agreed or "–",
        )
        for case in panel.panel_status(who.database, status.name, actor_id=who.user.id)
    ]
    heads = [words(f"manage.{key}") for key in ("case", "votes", "named", "agreed")]
    close = forms.form(f"{address(status.name)}/close-panel", submit=words("manage.close_panel"), quiet=True)
    return html_table(words("manage.panel"), heads, rows, numeric=(1,)) + close


def _step(who: Acting, status: StudyStatus) -> str:
    """The one step forward from here, with what it means; steps have no way back."""
    if status.state not in STEPS or who.user.role not in STEPPING_ROLES:
        return ""
    words, step = who.words, STEPS[status.state][0]
    alone = (
        forms.tick("without_model", words("manage.without_model"))
        if step == "open" and status.model is None
        else ""
    )
    return (
        f'<section class="rz-step"><h2>{escape(words("manage.steps"))}</h2>'
        f"<p>{escape(words(f'manage.step_{step}'))}</p>"
        + forms.form(
            f"{address(status.name)}/{step}",
            alone,
            forms.tick("sure", words("manage.step_sure"), required=True),
            submit=words(f"manage.{step}"),
        )
        + "</section>"
    )
