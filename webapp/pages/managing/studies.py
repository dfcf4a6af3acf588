"""``/manage/``: the studies, and each one's page with its progress and its next step."""

from collections.abc import Callable
from html import escape
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from reader_study import results, states
from reader_study.errors import StudyError
from webapp.areas import RESULT_ROLES
from webapp.pages.managing.acting import Acting, acting, problem
from webapp.pages.managing.progress import STATE_WORDS, facts, progress
from webapp.rooms import Rooms
from webapp.tables import statement

STEPS: dict[str, tuple[str, Callable[..., None]]] = {
    "draft": ("open", states.open_study),
    "open": ("lock", states.lock_study),
    "locked": ("unblind", states.unblind_study),
    "unblinded": ("archive", states.archive_study),
}
"""What can be done in each state: the step's word and the function that does it."""
STEPPING_ROLES = frozenset({"manager", "admin"})


def address(study: str) -> str:
    """The path of a study's page."""
    return f"/manage/studies/{quote(study)}"


def routes(rooms: Rooms) -> APIRouter:
    """Return ``/manage/``, a study's page and its change of state."""
    router = APIRouter()
    Who = Annotated[Acting, Depends(acting(rooms))]

    @router.get("", include_in_schema=False)
    @router.get("/")
    def overview(who: Who) -> HTMLResponse:
        return who.page(who.words("manage.title"), "/manage/", _overview(who))

    @router.get("/studies/{study}")
    def study_page(study: str, who: Who) -> HTMLResponse:
        return _study(who, study)

    @router.post("/studies/{study}/{step}")
    def take_step(study: str, step: str, who: Who, sure: Annotated[str, Form()] = "") -> Response:
        known = {name: do for name, do in STEPS.values()}
        if step not in known:
            return _study(who, study, statement(who.words("manage.no_such_page"), "problem"), 404)
        if not sure:
            return _study(who, study, statement(who.words("manage.need_sure"), "problem"), 422)
        try:
            known[step](who.database, study, actor_id=who.user.id)
        except StudyError as error:
            return _study(who, study, *problem(error))
        return RedirectResponse(address(study), 303)

    return router


def _overview(who: Acting) -> str:
    words = who.words
    found = results.studies(who.database, who.user.id)
    if not found:
        return f"<h1>{escape(words('manage.title'))}</h1>{statement(words('manage.none'))}"
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
        f"<h1>{escape(words('manage.title'))}</h1>"
        f'<div class="rz-table" tabindex="0" role="region" aria-label="{escape(words("manage.title"))}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _study(who: Acting, study: str, said: str = "", code: int = 200) -> HTMLResponse:
    words = who.words
    try:
        status = results.study_status(who.database, who.user.id, study)
    except StudyError as error:
        said, code = problem(error)
        return who.page(words("manage.title"), "/manage/", said, 404 if code == 422 else code)
    ways = ""
    if who.user.role in RESULT_ROLES:
        ways = (
            f'<p><a class="rz-download" href="/manage/results/?study={quote(study)}">'
            f"{escape(words('manage.to_results'))}</a></p>"
        )
    body = f"""<h1>{escape(status.title)}</h1>{said}
<section id="rz-status">{facts(status, words)}{ways}{progress(status, words)}</section>
{_step(who, status.name, status.state)}"""
    return who.page(status.title, address(study), body, code)


def _step(who: Acting, study: str, state: str) -> str:
    """The one step forward from here, with what it means; steps have no way back."""
    if state not in STEPS or who.user.role not in STEPPING_ROLES:
        return ""
    words, step = who.words, STEPS[state][0]
    return f"""<form class="rz-step" method="post" action="{address(study)}/{step}">
<h2>{escape(words("manage.steps"))}</h2>
<p>{escape(words(f"manage.step_{step}"))}</p>
<label><input type="checkbox" name="sure" value="1" required> {escape(words("manage.step_sure"))}</label>
<button type="submit">{escape(words(f"manage.{step}"))}</button>
</form>"""
