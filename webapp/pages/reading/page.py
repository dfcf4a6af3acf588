"""The reading page: a shell around the desk, which asks the server for the reader's case."""

import gradio as gr

from webapp.language import Language, table
from webapp.rooms import Rooms
from webapp.shell import notice, top_bar
from webapp.theme import script

SCRIPTS = ("elements", "viewer", "differential", "aid", "case", "gates", "desk")

# The red-free view shows the green channel as grey, as a red-free filter does on film.
_RED_FREE = (
    '<svg aria-hidden="true" width="0" height="0" style="position:absolute"><filter id="rz-red-free" '
    'color-interpolation-filters="sRGB"><feColorMatrix type="matrix" '
    'values="0 1 0 0 0  0 1 0 0 0  0 1 0 0 0  0 0 0 1 0"/></filter></svg>'
)


def page(words: Language, rooms: Rooms) -> gr.Blocks:
    """Build the reading page in one language."""
    blocks = gr.Blocks(title="RetiZero Studio", analytics_enabled=False, fill_width=True)
    with blocks:
        gr.HTML(top_bar(words, "/read/", signs_out=True))
        gr.HTML(
            html_template=f'{_RED_FREE}<div class="rz-desk-root" data-language="{words.code}"></div>',
            js_on_load="\n".join(script(f"{name}.js") for name in SCRIPTS),
            words={key.removeprefix("read."): words(key) for key in table() if key.startswith("read.")},
            apply_default_css=False,
            elem_id="rz-desk",
        )
        gr.HTML(notice(words))
    return blocks
