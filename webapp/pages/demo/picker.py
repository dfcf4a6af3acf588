"""Which model answers, and what it was trained on: a choice where several are here, a line where one is."""

from html import escape

import gradio as gr

from retizero.model import ModelIdentity
from webapp.language import Language
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import statement


def picker(words: Language, rooms: Rooms) -> tuple[gr.Dropdown, gr.HTML]:
    """Return the choice of the model (hidden where there is none) and the lines that say who answers."""
    choices = rooms.models.choices()
    default = rooms.engine.identity
    chosen = gr.Dropdown(
        choices=list(choices), value=default.id, label=words("demo.model"), info=words("demo.model_info"),
        visible=len(choices) > 1, elem_id="rz-model", interactive=True,
    )  # fmt: skip
    return chosen, gr.HTML(who(words, default), elem_id="rz-who")


def describe(words: Language, rooms: Rooms, id: str) -> tuple[str, str]:
    """Lines that say who answers now, and the facts of the About tab; loads the model."""
    try:
        identity = rooms.with_model(id).engine.identity
    except ValueError as error:
        return statement(refusal(error, words), "problem"), ""
    default = rooms.models.default.identity
    stays = statement(words("demo.stays", default=default.title), "quiet") if identity != default else ""
    return who(words, identity) + stays, facts(words, identity)


def who(words: Language, identity: ModelIdentity) -> str:
    """Name and training data of the model that answers."""
    trained = words("demo.trained_on", data=identity.trained_on or words("about.unknown"))
    return statement(words("demo.model_answers", title=identity.title)) + statement(trained, "quiet")


def facts(words: Language, identity: ModelIdentity) -> str:
    """What the identity of a model says, as a list."""
    said = [
        (words("about.which"), f"{identity.title} ({identity.id})"),
        (words("about.architecture"), identity.architecture),
        (words("about.trained_on"), identity.trained_on or words("about.unknown")),
        (words("about.licence"), identity.licence or words("about.unknown")),
        (words("about.prompt"), identity.template),
        (words("about.weights"), identity.weights_sha256),
    ]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in said)
    return f'<dl class="rz-facts">{rows}</dl>'
