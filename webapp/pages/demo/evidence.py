"""The evidence tab: what in the photograph speaks for a diagnosis, drawn over it."""

import base64
from collections.abc import Callable
from html import escape
from io import BytesIO
from typing import Any

import cv2
import gradio as gr
import numpy as np
from gradio.components import Component
from PIL import Image

from retizero.serving.evidence import Evidence, Method, methods_of
from retizero.serving.evidence.drawing import OUTLINE, colours, layer, png
from webapp.language import Language
from webapp.pages.demo import answers
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import statement

Refresh = tuple[Callable[..., Any], list[Component], list[Component]]
SIDE = 1024  # pixels of the longer side as shown
OPACITY = 60  # per cent
# The slider changes what the browser shows; nothing is computed again.
_FADE = "(value) => { document.documentElement.style.setProperty('--rz-evidence', value / 100); }"


def tab(words: Language, rooms: Rooms, question: list[Component], model: Component) -> Refresh:
    """Fill the tab and wire it.

    Args:
        words: The page's language.
        rooms: With the models to choose from.
        question: Components that hold path, label set and own list.
        model: Component that holds the chosen model's id.

    Returns:
        What to run when photograph, candidates or model change: function, inputs, outputs.
    """
    gr.HTML(f"<p>{escape(words('evidence.lead'))}</p>")
    with gr.Row():
        asked = gr.Dropdown(choices=[], label=words("evidence.diagnosis"), elem_id="rz-explained", scale=3)
        opacity = gr.Slider(
            0, 100, value=OPACITY, step=5, label=words("evidence.opacity"), scale=2, elem_id="rz-opacity"
        )
    way = gr.Radio(
        choices=[(words(f"evidence.way_{name}"), name) for name in ("relevance", "rollout")],
        value="relevance", label=words("evidence.way"), elem_id="rz-way",
        visible=len(methods_of(rooms.engine.model)) > 1,
    )  # fmt: skip
    run = gr.Button(words("evidence.run"), variant="primary", elem_id="rz-explain")
    shown = gr.HTML(statement(words("evidence.waiting"), "quiet"), elem_id="rz-evidence")

    def explained(path: str | None, chosen: str, typed: str, id: str, diagnosis: str | None, way: str) -> str:
        return explain(words, rooms, path, (chosen, typed), id, diagnosis, way)

    def offered(path: str | None, chosen: str, typed: str, id: str) -> tuple[Component, Component, str]:
        """Offer the candidates, the model's first answer chosen, and the ways to explain this model."""
        ranked: list[tuple[str, str]] = []
        said = statement(words("evidence.waiting"), "quiet")
        several = False
        if path is not None:
            try:
                asking = rooms.with_model(id)
                several = len(methods_of(asking.engine.model)) > 1
                ranked = _ranked(words, asking, path, chosen, typed)
            except ValueError as error:
                said = statement(refusal(error, words), "problem")
        first = ranked[0][1] if ranked else None
        return gr.Dropdown(choices=ranked, value=first), gr.Radio(visible=several), said

    closed: dict[str, Any] = {"api_visibility": "private"}
    given = [*question, model, asked, way]
    gr.on([run.click, asked.input, way.input], explained, given, shown, **closed)
    opacity.input(None, opacity, None, js=_FADE, **closed)
    return offered, [*question, model], [asked, way, shown]


def _ranked(words: Language, rooms: Rooms, path: str, chosen: str, typed: str) -> list[tuple[str, str]]:
    """Name and id of every candidate, the model's first answer first; none for no fundus photograph."""
    labels = answers.candidates(chosen, typed, words)
    photograph = answers.read_photograph(rooms, path, words)
    result = rooms.engine.classify(photograph, labels, top_k=len(labels.ids))
    return [(answers.localised(each.id, each.label, words), each.id) for each in result.predictions]


def explain(
    words: Language,
    rooms: Rooms,
    path: str | None,
    candidates: tuple[str, str],
    model: str,
    diagnosis: str | None,
    way: str,
) -> str:
    """Return the photograph with the map over it, its legend and what it says, as HTML."""
    try:
        engine = rooms.with_model(model).engine
        photograph = answers.read_photograph(rooms, path, words)
        labels = answers.candidates(*candidates, words)
        if diagnosis not in labels.ids:
            return statement(words("evidence.choose"), "problem")
        gate, _ = engine.examine(photograph)
        if not gate.is_fundus:
            return statement(words("demo.gate_refused"), "problem")
        method: Method = "rollout" if way == "rollout" and "rollout" in methods_of(engine.model) else "auto"
        name = labels.names[labels.ids.index(diagnosis)]
        found = engine.explain(photograph, name, among=labels, method=method)
    except ValueError as error:
        return statement(refusal(error, words), "problem")
    return figure(words, photograph, found, answers.localised(found.id, found.label, words))


def figure(words: Language, photograph: answers.Image, found: Evidence, name: str) -> str:
    """Return the map over its photograph: two pictures of one size, a caption that says the same in words."""
    height, width = photograph.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    below = np.asarray(Image.fromarray(photograph).resize(size))
    above = layer(np.asarray(cv2.resize(found.map, size, interpolation=cv2.INTER_LINEAR), np.float32))
    said = escape(_in_words(words, found, name))
    pictures = (
        f'<img src="data:image/jpeg;base64,{_jpeg(below)}" alt="">'
        f'<img class="rz-evidence-layer" src="data:image/png;base64,{_base64(png(above))}" alt="">'
    )
    identity = found.model
    answered = words(
        "demo.answered_by", title=identity.title, id=identity.id, sha=identity.weights_sha256[:12]
    )
    return (
        f'<figure class="rz-evidence"><div class="rz-evidence-pictures" role="img" aria-label="{said}">'
        f"{pictures}</div>{_legend(words)}<figcaption>{said}</figcaption></figure>"
        f"{statement(words('evidence.not_proof'), 'warning')}"
        f"{statement(words(f'evidence.method_{found.method}', grid=found.grid), 'quiet')}"
        f"{statement(answered, 'quiet')}"
    )


def _in_words(words: Language, found: Evidence, name: str) -> str:
    if not found.map.any():
        return words("evidence.nothing", name=name)
    x, y = found.peak
    row = ("upper", "middle", "lower")[min(2, int(y * 3))]
    column = ("left", "centre", "right")[min(2, int(x * 3))]
    place = words(f"evidence.{row}_{column}")
    return words("evidence.said", name=name, place=place, area=f"{found.area:.0%}")


def _legend(words: Language) -> str:
    """What the colours and the outline mean."""
    stops = ", ".join("#{:02x}{:02x}{:02x}".format(*each) for each in colours(np.linspace(0, 1, 9)))
    outline = words("evidence.outline", share=f"{OUTLINE:.0%}")
    return (
        f'<div class="rz-legend"><span>{escape(words("evidence.none"))}</span>'
        f'<span class="rz-legend-bar" style="background:linear-gradient(90deg, {stops})"></span>'
        f"<span>{escape(words('evidence.most'))}</span>"
        f'<span class="rz-legend-outline"></span><span>{escape(outline)}</span></div>'
    )


def _jpeg(picture: answers.Image) -> str:
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=92)
    return _base64(file.getvalue())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
