"""What the models are: said from identity files and the model card, not from memory."""

import gradio as gr

from retizero.model import known_models
from webapp.language import Language
from webapp.pages.demo import picker
from webapp.rooms import Rooms
from webapp.tables import html_table


def content(words: Language, rooms: Rooms) -> gr.HTML:
    """Fill the About tab; return the facts of the model that answers, renewed when another is chosen."""
    identity = rooms.engine.identity
    facts = gr.HTML(picker.facts(words, identity), elem_id="rz-facts")
    known = [
        (
            f"{each.title} ({each.id})", each.licence, each.source,
            words("about.present" if each.present else "about.absent"),
        )
        for each in known_models()
    ]  # fmt: skip
    headers = [words(f"about.{key}") for key in ("model", "licence", "source", "state")]
    gr.HTML(html_table(words("about.known"), headers, known))
    folder = next((each.path for each in known_models() if each.id == identity.id), None)
    card = folder / "README.md" if folder and folder.is_dir() else None
    if card is not None and card.is_file():
        with gr.Accordion(words("about.card"), open=False):
            gr.Markdown(card.read_text(encoding="utf-8"), elem_classes="rz-card-text")
    return facts
