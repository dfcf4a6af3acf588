"""The results: choose a study, see readers against the model."""

from typing import Any
from urllib.parse import quote

import gradio as gr

from reader_study import results
from reader_study.accounts import User
from reader_study.errors import StudyError
from webapp.figures.accuracy import forest as forest_plot
from webapp.figures.accuracy import top_k_curve
from webapp.language import Language
from webapp.managers_frame import managers_top
from webapp.pages.dashboard import panels
from webapp.rooms import Rooms
from webapp.sessions import signed_in_user
from webapp.shell import notice
from webapp.tables import statement

METRICS = ("top1", "top3", "top5")


def page(words: Language, rooms: Rooms) -> gr.Blocks:
    """Build the page in one language."""
    database = rooms.database

    def viewer(request: gr.Request) -> User:
        user = signed_in_user(database, request.headers)
        if user is None:
            raise gr.Error(words("login.title"))
        return user

    def choices(request: gr.Request) -> tuple[Any, str]:
        found = results.studies(database, viewer(request).id)
        named = [(s.title, s.name) for s in found]
        asked = request.query_params.get("study", "")
        first = next((name for _, name in named if name == asked), named[0][1] if named else None)
        return gr.Dropdown(choices=named, value=first), "" if named else statement(words("manage.none"))

    def comparison(study: str | None, metric: str, request: gr.Request) -> tuple[Any, Any, str, str]:
        if not study:
            return None, None, "", ""
        try:
            report = results.results(database, viewer(request).id, study)
        except StudyError as error:
            return None, None, "", statement(str(error), "warning")
        link = "".join(
            f'<a class="rz-download" href="/manage/{file}?study={quote(study)}">{words(key)}</a> '
            for file, key in (("results.csv", "manage.download"), ("report.html", "manage.report"))
        )
        return (
            forest_plot(report, metric, words),
            top_k_curve(report, words),
            panels.accuracy_table(report, words, metric) + link,
            panels.notes(report, words),
        )

    blocks = gr.Blocks(title="RetiZero Studio", analytics_enabled=False, fill_width=True)
    with blocks:
        managers_top(blocks, words, database, "/manage/results/")
        gr.HTML(f'<div class="rz-lead"><h1>{words("manage.nav_results")}</h1></div>')
        with gr.Row(elem_classes="rz-study-row"):
            study = gr.Dropdown(label=words("manage.study"), choices=[], scale=4, elem_id="rz-study")
            refresh = gr.Button(words("manage.refresh"), min_width=90, variant="primary")
        said = gr.HTML(elem_id="rz-said")
        metric = gr.Radio(
            choices=[(words(f"manage.{m}"), m) for m in METRICS], value="top1", label=words("manage.metric")
        )
        with gr.Row(elem_classes="rz-columns"):
            forest = gr.Plot(show_label=False, container=False, elem_id="rz-forest")
            curve = gr.Plot(show_label=False, container=False, elem_id="rz-curve")
        table = gr.HTML(elem_id="rz-accuracy")
        notes = gr.HTML(elem_id="rz-notes")
        gr.HTML(notice(words))

        closed: dict[str, Any] = {"api_visibility": "private"}
        shown = [forest, curve, table, notes]
        blocks.load(choices, None, [study, said], **closed)
        study.change(comparison, [study, metric], shown, **closed)
        metric.change(comparison, [study, metric], shown, **closed)
        refresh.click(comparison, [study, metric], shown, **closed)
    return blocks
