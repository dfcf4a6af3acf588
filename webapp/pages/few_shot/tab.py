"""Layout and wiring of the few-shot tab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from retizero.data import read_image
from retizero.serving import Engine
from webapp.language import Language
from webapp.pages.few_shot import answers
from webapp.pages.few_shot.lesson import MAX_CLASSES, MAX_EXAMPLES, MAX_OF_ONE, Lesson, LessonError
from webapp.pages.few_shot.lessons import Lessons
from webapp.pages.few_shot.naming import diagnoses, enter
from webapp.pages.few_shot.teaching import teach
from webapp.pages.few_shot.uploads import Uploads, paths_only
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import statement

# The browser makes the file: the server writes none.
_DOWNLOAD = """(text) => {
  if (!text) return [];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.download = "retizero-classifier.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return [];
}"""


def tab(
    words: Language, rooms: Rooms, blocks: gr.Blocks, path: gr.State, model: gr.Dropdown
) -> tuple[Callable[..., Any], list[Any], list[Any]]:
    """Fill the tab.

    Args:
        words: Language of the page.
        rooms: Model and settings.
        blocks: The page, whose end forgets what was taught.
        path: Holds the file of the photograph that is asked about.
        model: Id of the model that reads the first photographs; later ones are read by the same.

    Returns:
        What to call when that photograph changes, with its inputs and outputs.
    """
    lessons, uploads = Lessons(), Uploads()
    limits = words("few_shot.limits", classes=MAX_CLASSES, one=MAX_OF_ONE, all=MAX_EXAMPLES)
    gr.HTML(statement(words("few_shot.lead")) + statement(limits, "quiet"))
    with gr.Row(elem_classes="rz-columns"):
        with gr.Column(scale=1, min_width=260):
            name = gr.Dropdown(
                choices=list(diagnoses(words.code)), value=None, allow_custom_value=True,
                label=words("few_shot.name"), info=words("few_shot.name_info"), elem_id="rz-teach-name",
            )  # fmt: skip
            read_names = gr.Checkbox(True, label=words("few_shot.read_names"), elem_id="rz-teach-names")
        with gr.Column(scale=1, min_width=260):
            files = gr.File(
                label=words("few_shot.photographs"), file_count="multiple", type="filepath", height=170,
                elem_id="rz-teach-files",
            )  # fmt: skip
            files.preprocess = paths_only  # type: ignore[method-assign]
    add = gr.Button(words("few_shot.add"), variant="primary", elem_id="rz-teach-add")
    said = gr.HTML(elem_id="rz-teach-said")
    shown = gr.HTML(answers.taught(Lesson(), words), elem_id="rz-taught")
    with gr.Row(elem_classes="rz-study-row"):
        which = gr.Dropdown(
            choices=[], label=words("few_shot.remove_which"), min_width=200, elem_id="rz-teach-which"
        )
        remove = gr.Button(words("few_shot.remove"), min_width=110, elem_id="rz-teach-remove")
        forget = gr.Button(words("few_shot.start_over"), min_width=110, elem_id="rz-teach-forget")
    judged = gr.HTML(elem_id="rz-teach-verdict")
    figure = gr.Plot(show_label=False, container=False, visible=False, elem_id="rz-teach-figure")
    table = gr.HTML(elem_id="rz-teach-table")
    download = gr.Button(words("few_shot.download"), elem_id="rz-teach-download")
    gr.HTML(statement(words("few_shot.download_note"), "quiet"))
    content = gr.Textbox(visible=False)

    def engine_of(lesson: Lesson, chosen: str | None) -> Engine:
        return rooms.models.engine(lesson.model.id if lesson.model else chosen)

    def update(lesson: Lesson, asked: str | None, by_name: bool) -> tuple[Any, ...]:
        if not lesson.examples:
            return answers.taught(lesson, words), "", gr.Plot(visible=False), "", gr.Dropdown(choices=[])
        engine = engine_of(lesson, None)
        embedding = _embedding(engine, asked) if len(lesson.names) > 1 else None
        drawn, compared = answers.named(lesson, engine, embedding, by_name, words)
        choices = [(answers.shown_name(lesson, id, words), id) for id in lesson.ids]
        return (
            answers.taught(lesson, words),
            answers.verdict(lesson, engine, by_name, words),
            gr.Plot(drawn, visible=drawn is not None),
            compared,
            gr.Dropdown(choices=choices, value=None),
        )

    def taught(
        request: gr.Request,
        typed: str | None,
        given: list[str] | None,
        asked: str | None,
        by_name: bool,
        chosen: str | None,
    ) -> tuple[Any, ...]:
        session = _session(request)
        try:
            engine = engine_of(lessons.of(session), chosen)
        except ValueError as error:
            return (statement(refusal(error, words), "problem"), *[gr.skip()] * 6)
        outcome = teach(lessons, session, typed, given, engine, words)
        if outcome.keep:
            return (outcome.said, *[gr.skip()] * 6)
        uploads.hold(session, given or (), asked)
        uploads.hold(session, (), asked)
        return (outcome.said, None, *update(lessons.of(session), asked, by_name))

    def chosen(request: gr.Request, given: list[str] | None, asked: str | None) -> None:
        uploads.hold(_session(request), given or (), asked)

    def removed(request: gr.Request, id: str | None, asked: str | None, by_name: bool) -> tuple[Any, ...]:
        session, told = _session(request), ""
        before = lessons.of(session)
        if id in before.ids:
            told = statement(words("few_shot.removed", name=answers.shown_name(before, str(id), words)))
            before = lessons.change(session, lambda lesson: lesson.without(str(id)))
        return (told, *update(before, asked, by_name))

    def forgotten(request: gr.Request, asked: str | None) -> tuple[Any, ...]:
        lessons.drop(_session(request))
        uploads.hold(_session(request), (), asked)
        return (statement(words("few_shot.forgotten")), None, *update(Lesson(), None, True))

    def again(request: gr.Request, asked: str | None, by_name: bool) -> tuple[Any, ...]:
        return update(lessons.of(_session(request)), asked, by_name)[1:4]

    def packed(request: gr.Request, by_name: bool) -> tuple[str, str]:
        lesson = lessons.of(_session(request))
        if len(lesson.names) < 2:
            return "", statement(words("few_shot.download_first"), "problem")
        return lesson.stored(engine_of(lesson, None), by_name).to_json(), ""

    def left(request: gr.Request) -> None:
        lessons.drop(_session(request))
        uploads.drop(_session(request))

    closed: dict[str, Any] = {"api_visibility": "private"}
    state = [shown, judged, figure, table, which]
    add.click(taught, [name, files, path, read_names, model], [said, files, *state], **closed)
    remove.click(removed, [which, path, read_names], [said, *state], **closed)
    forget.click(forgotten, [path], [said, files, *state], **closed)
    read_names.input(again, [path, read_names], [judged, figure, table], **closed)
    packing = download.click(packed, [read_names], [content, said], **closed)
    packing.then(None, content, None, js=_DOWNLOAD)
    files.change(chosen, [files, path], None, show_progress="hidden", **closed)
    blocks.load(None, js=enter(words.code))
    blocks.unload(left)
    return again, [path, read_names], [judged, figure, table]


def _session(request: gr.Request) -> str:
    if not request.session_hash:
        raise LessonError("few_shot.nothing")
    return request.session_hash


def _embedding(engine: Engine, path: str | None) -> NDArray[np.float32] | None:
    """Embed the photograph that is asked about; None where there is none that can be answered."""
    if path is None:
        return None
    try:
        return engine.examine(read_image(path))[1]
    except ValueError:
        return None
