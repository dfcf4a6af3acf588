"""What the model is: said from its identity file and its model card, not from memory."""

from html import escape

import gradio as gr

from retizero.model import known_models
from webapp.language import Language
from webapp.rooms import Rooms
from webapp.tables import html_table


def content(words: Language, rooms: Rooms) -> None:
    """Fill the About tab."""
    identity = rooms.engine.identity
    facts = [
        (words("about.which"), f"{identity.title} ({identity.id})"),
        (words("about.architecture"), identity.architecture),
        (words("about.trained_on"), identity.trained_on),
        (words("about.licence"), identity.licence),
        (words("about.weights"), identity.weights_sha256),
    ]
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts)
    gr.HTML(f'<dl class="rz-facts">{rows}</dl>')
    known = [
        (
            f"{m.title} ({m.id})", m.licence, m.source,
            words("about.present" if m.present else "about.absent"),
        )
        for m in known_models()
    ]  # fmt: skip
    headers = [words(f"about.{k}") for k in ("model", "licence", "source", "state")]
    gr.HTML(html_table(words("about.known"), headers, known))
    folder = next((m.path for m in known_models() if m.id == identity.id), None)
    card = folder / "README.md" if folder and folder.is_dir() else None
    if card is not None and card.is_file():
        with gr.Accordion(words("about.card"), open=False):
            gr.Markdown(card.read_text(encoding="utf-8"), elem_classes="rz-card-text")
