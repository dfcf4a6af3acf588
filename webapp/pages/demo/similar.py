"""The tab of similar cases: a photograph, words, or both; narrowed to diagnoses, sources or sites."""

from typing import Any

import gradio as gr

from retizero.data import read_image
from retizero.retrieval import Conditions, Gallery, Neighbour
from retizero.serving.search_query import mixed, text_vector
from webapp.language import Language
from webapp.pages.demo.answers import BadRequest, Image, answered_by, localised, read_photograph, resolved
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import html_table, statement

MAX_TEXT = 500  # signs
Answer = tuple[list[tuple[Image, str]], str, str]


def tab(
    words: Language, rooms: Rooms, blocks: gr.Blocks, path: gr.State, model: gr.components.Component
) -> tuple[Any, list[Any], list[Any]]:
    """Fill the tab; return what answers it, from which components and into which."""
    closed: dict[str, Any] = {"api_visibility": "private"}
    with gr.Row():
        shown = gr.Slider(3, 12, value=6, step=1, label=words("demo.neighbours_k"))
        once = gr.Checkbox(True, label=words("similar.once"), elem_id="rz-once")
    text = gr.Textbox(
        label=words("similar.text"), placeholder=words("similar.text_placeholder"), max_length=MAX_TEXT,
        elem_id="rz-similar-text",
    )  # fmt: skip
    with gr.Accordion(words("similar.narrow"), open=False):
        share = gr.Slider(0, 1, value=0.5, step=0.05, label=words("similar.share"))
        narrowed = {
            name: gr.Dropdown([], value=[], multiselect=True, label=words(f"similar.{name}"), visible=False)
            for name in ("labels", "sources", "sites")
        }
    search = gr.Button(words("demo.search"), variant="primary", elem_id="rz-search")
    said = gr.HTML(statement(words("demo.waiting_cases"), "quiet"))
    found = gr.Gallery(
        label=words("demo.neighbours"), columns=3, height="auto", format="png",
        buttons=["fullscreen"], elem_id="rz-found",
    )  # fmt: skip
    table = gr.HTML(elem_id="rz-neighbours")

    def choices() -> list[Any]:
        return _choices(words, rooms.gallery.now())

    def answer(
        p: str | None,
        k: int,
        one: bool,
        asked: str | None,
        weight: float,
        labels: list[str],
        sources: list[str],
        sites: list[str],
        id: str,
    ) -> Answer:
        asked = asked or ""  # an untouched textbox holds nothing
        if p is None and not asked.strip():
            return [], statement(words("demo.waiting_cases"), "quiet"), ""
        conditions = Conditions(tuple(labels or ()), tuple(sources or ()), sites=tuple(sites or ()))
        return similar(rooms, words, p, int(k), asked, weight, conditions, 1 if one else None, id)

    inputs = [path, shown, once, text, share, *narrowed.values(), model]
    outputs = [found, said, table]
    blocks.load(choices, None, list(narrowed.values()), show_progress="hidden", **closed)
    search.click(answer, inputs, outputs, **closed)
    text.submit(answer, inputs, outputs, **closed)
    gr.on([shown.release, once.input], answer, inputs, outputs, **closed)
    return answer, inputs, outputs


def similar(
    rooms: Rooms,
    words: Language,
    path: str | None,
    top_k: int,
    text: str = "",
    text_share: float = 0.5,
    conditions: Conditions | None = None,
    per_group: int | None = None,
    model: str | None = None,
) -> Answer:
    """Return the nearest gallery cases as (image, caption), statements (HTML) and table (HTML)."""
    try:
        rooms = rooms.with_model(model)
        if rooms.engine.identity != rooms.models.default.identity:
            raise BadRequest(words("demo.other_gallery", made_by=rooms.models.default.identity.id))
        gallery = rooms.gallery.now()
        query = _query(rooms, words, path, text, text_share)
        gallery.require(rooms.engine.identity)
        (neighbours,) = gallery.search(query, top_k, conditions=conditions, per_group=per_group)
    except ValueError as error:
        return [], statement(refusal(error, words), "problem"), ""
    said = ""
    if not neighbours:
        said += statement(words("similar.none"), "warning")
    elif path and not text.strip() and neighbours[0].is_near_duplicate:
        said += statement(words("similar.twin", case=neighbours[0].id), "warning")
    said += _gallery_note(gallery, words) + answered_by(rooms, words)
    shown, table = _shown(rooms, words, neighbours)
    return shown, said, table


def _query(rooms: Rooms, words: Language, path: str | None, text: str, text_share: float) -> Any:  # noqa: ANN401
    """One vector for what was asked: the photograph, the words, or both."""
    photograph = None
    if path:
        _, photograph = rooms.engine.examine(read_photograph(rooms, path, words))
        if photograph is None:
            raise BadRequest(words("demo.gate_refused"))
    if not text.strip():
        if photograph is None:
            raise BadRequest(words("demo.choose_first"))
        return photograph
    spoken = text_vector(rooms.engine, rooms.engine.identity.template, text[:MAX_TEXT])
    return spoken if photograph is None else mixed(photograph, spoken, text_share)


def _shown(rooms: Rooms, words: Language, neighbours: list[Neighbour]) -> tuple[list[tuple[Image, str]], str]:
    shown, rows = [], []
    for i, n in enumerate(neighbours, start=1):
        name = localised(*resolved(n.label), words)
        origin = words("demo.synthetic" if n.record.synthetic else "demo.real")
        file = rooms.gallery_folder / n.image
        if file.is_file():
            shown.append((read_image(file), f"{i}. {name} · {n.similarity:.3f} · {origin}"))
        rows.append((i, name, f"{n.similarity:.3f}", n.id, n.record.source or "–", origin))
    headers = [words(f"demo.{k}") for k in ("rank", "label", "similarity", "case")]
    headers += [words("similar.source"), words("demo.synthetic")]
    return shown, html_table(words("demo.neighbours"), headers, rows, numeric=(0, 2))


def _choices(words: Language, gallery: Gallery) -> list[Any]:
    """What the gallery can be narrowed to; a choice between one thing and itself is not offered."""
    summary = gallery.summary()
    labels = [(f"{localised(*resolved(text), words)} ({n})", text) for text, n in summary.labels.items()]
    offered = [labels, *([(f"{t} ({n})", t) for t, n in counts.items() if t] for counts in
                         (summary.sources, summary.sites))]  # fmt: skip
    return [gr.Dropdown(choices=each, value=[], visible=len(each) > 1) for each in offered]


def _gallery_note(gallery: Gallery, words: Language) -> str:
    summary = gallery.summary()
    return statement(words("demo.gallery_note", n=summary.n, synthetic=summary.synthetic), "quiet")
