"""``/manage/planning/``: move readers, cases, effect and spread, see the power of the study."""

from dataclasses import fields
from html import escape
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse

from reader_study.errors import StudyError
from reader_study.planning import Plan, formula_power
from webapp.language import Language
from webapp.pages.managing.acting import Acting, acting
from webapp.pages.planning.simulations import STUDIES, Simulations
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import html_table, statement
from webapp.theme import script

HERE = "/manage/planning/"
RANGES: dict[str, tuple[float, float, float, float]] = {
    "readers": (2, 60, 1, 10),
    "cases": (20, 600, 10, 100),
    "unaided": (0.05, 0.95, 0.01, 0.60),
    "effect": (-0.3, 0.3, 0.01, 0.08),
    "reader_sd": (0, 1.5, 0.05, 0.3),
    "reader_arm_sd": (0, 1, 0.05, 0.1),
    "case_sd": (0, 2.5, 0.05, 1.0),
    "case_arm_sd": (0, 1.5, 0.05, 0.4),
}
"""Least, most, step and first value of each number of a plan."""
CURVE = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Numbers of readers and cases, as shares of the plan's, for which the formula is shown beside."""


def routes(rooms: Rooms) -> APIRouter:
    """Return the page and the address that it asks for the power of a plan."""
    router = APIRouter()
    Who = Annotated[Acting, Depends(acting(rooms))]
    simulations = Simulations()

    @router.get("/manage/planning", include_in_schema=False)
    @router.get(HERE)
    def planning(who: Who) -> HTMLResponse:
        return who.page(who.words("planning.title"), HERE, _page(who.words))

    @router.get("/manage/planning/power")
    def power(request: Request, who: Who) -> JSONResponse:
        try:
            plan = plan_of(request.query_params, who.words)
        except StudyError as error:
            said = statement(refusal(error, who.words), "problem")
            return JSONResponse({"html": said, "done": STUDIES, "of": STUDIES})
        simulation = simulations.of(plan)
        if simulation is None:
            words = statement(who.words("planning.busy"), "warning")
            return JSONResponse({"html": words, "done": 0, "of": STUDIES})
        found = simulation.power
        if found is None:
            done = min(simulation.done, STUDIES - 1)
            return JSONResponse({"html": "", "done": done, "of": STUDIES})
        cards = (
            ("power", f"{found.power:.1%}"),
            ("uncertainty", f"{found.ci[0]:.1%} – {found.ci[1]:.1%}"),
            ("standard_error", f"{found.standard_error:.4f}"),
            ("coverage", f"{found.coverage:.1%}"),
            ("not_estimable", str(found.not_estimable)),
        )
        told = "".join(
            f"<div><dt>{escape(who.words(f'planning.{key}'))}</dt><dd>{escape(value)}</dd></div>"
            for key, value in cards
        )
        body = f'<dl class="rz-cards">{told}</dl>{_around(plan, who.words)}'
        return JSONResponse({"html": body, "done": STUDIES, "of": STUDIES})

    return router


def plan_of(query: object, words: Language) -> Plan:
    """Read a plan from a request's query; the words name what is wrong as the page does.

    Raises:
        StudyError: a number is missing, is none, or lies outside of what a plan can be.
    """
    numbers: dict[str, float] = {}
    for name in (field.name for field in fields(Plan)):
        least, most, _, _ = RANGES[name]
        try:
            numbers[name] = float(getattr(query, "get")(name, ""))  # noqa: B009 - any mapping of a request
        except (TypeError, ValueError):
            raise StudyError(f"{words(f'planning.{name}')} must be a number.") from None
        if not least <= numbers[name] <= most:
            raise StudyError(f"{words(f'planning.{name}')} must lie between {least:g} and {most:g}.")
    return Plan(**{**numbers, "readers": int(numbers["readers"]), "cases": int(numbers["cases"])})  # type: ignore[arg-type]


def _page(words: Language) -> str:
    inputs = "".join(
        f'<label for="plan-{name}">{escape(words(f"planning.{name}"))}'
        f'<output for="plan-{name}"></output>'
        f'<input type="range" id="plan-{name}" name="{name}" min="{least}" max="{most}" step="{step}"'
        f' value="{first}"></label>'
        for name, (least, most, step, first) in RANGES.items()
    )
    return (
        f"<h1>{escape(words('planning.title'))}</h1><p>{escape(words('planning.lead'))}</p>"
        f'<div class="rz-plan" id="rz-plan" data-done="false"><form id="rz-plan-form">{inputs}</form>'
        f'<section class="rz-panel" aria-live="polite"><label>{escape(words("planning.progress"))}'
        f'<progress id="rz-plan-progress" max="{STUDIES}" value="0"></progress></label>'
        f'<div id="rz-plan-answer"></div></section></div>'
        f'<p class="rz-quiet">{escape(words("planning.method", n=STUDIES))}</p>'
        f"<script>{script('planning.js')}</script>"
    )


def _around(plan: Plan, words: Language) -> str:
    """The closed formula's power for fewer and more readers and cases, to see where to go from here."""
    counts = sorted({max(2, round(plan.readers * share)) for share in CURVE})
    cases = sorted({max(20, round(plan.cases * share)) for share in CURVE})
    rows = [
        (str(readers), *(f"{formula_power(plan, readers=readers, cases=each):.0%}" for each in cases))
        for readers in counts
    ]
    header = (words("planning.readers_by_cases"), *map(str, cases))
    return html_table(words("planning.around"), header, rows, tuple(range(1, len(header))))
