"""What every managers' page has around it: the bar, and the way to the other managers' pages."""

from html import escape

import gradio as gr

from reader_study.accounts import User
from reader_study.database import Database
from webapp.areas import MANAGING
from webapp.language import Language
from webapp.sessions import signed_in_user
from webapp.shell import standalone_page, top_bar


def managers_nav(words: Language, here: str, role: str | None) -> str:
    """Return links to the managers' pages that a role reaches; all of them where the role is not known."""
    links = "".join(
        f'<a href="{area.path}/"{_current(area.path, here)}>{escape(words(area.word))}</a>'
        for area in MANAGING
        if area.word and (role is None or role in area.roles)
    )
    return f'<nav class="rz-ways" aria-label="{escape(words("manage.nav"))}">{links}</nav>'


def managers_top(blocks: gr.Blocks, words: Language, database: Database, here: str) -> None:
    """Put bar and ways on a Gradio page, inside its ``with blocks``; ways closed to the role go at load."""

    def ways(request: gr.Request) -> str:
        user = signed_in_user(database, request.headers)
        return managers_nav(words, here, user.role if user else "")

    gr.HTML(top_bar(words, here, signs_out=True))
    nav = gr.HTML(managers_nav(words, here, None), elem_id="rz-ways")
    blocks.load(ways, None, nav, show_progress="hidden", api_visibility="private")


def managers_page(words: Language, user: User, *, title: str, here: str, body: str) -> str:
    """Return a managers' page that needs no Gradio; ``body`` is HTML."""
    return standalone_page(
        words,
        title=title,
        here=here,
        signs_out=True,
        body=f'{managers_nav(words, here, user.role)}<main class="rz-work">{body}</main>',
    )


def _current(path: str, here: str) -> str:
    inside = [a.path for a in MANAGING if a.holds(here.partition("?")[0].rstrip("/"))]
    return ' aria-current="page"' if inside and path == max(inside, key=len) else ""
