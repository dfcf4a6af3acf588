"""``/diseases`` (search and filters in the query), ``/diseases/{id}`` and its synthetic illustration."""

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from retizero import phantom
from retizero.knowledge import Catalogue, Disease, UnknownDisease, load_catalogue
from webapp.language import Language
from webapp.pages.diseases.entry import entry_page, shown_name
from webapp.png import to_png
from webapp.sessions import language_of
from webapp.shell import standalone_page

RARITIES = ("common", "uncommon", "rare")
ILLUSTRATION_SEED = 5


def routes() -> APIRouter:
    """Return the routes below ``/diseases``; public."""
    router = APIRouter(prefix="/diseases")

    @router.get("", response_class=HTMLResponse)
    def browse(
        request: Request,
        q: str = Query("", max_length=200),
        group: str = "",
        rarity: str = "",
        sign: str = "",
    ) -> HTMLResponse:
        words = language_of(request)
        catalogue = load_catalogue()
        found = search(catalogue, q, group, rarity, sign)
        body = _filters(catalogue, words, q, group, rarity, sign) + _list(found, words)
        here = "/diseases?" + urlencode({"q": q, "group": group, "rarity": rarity, "sign": sign})
        return HTMLResponse(standalone_page(words, title=words("diseases.title"), here=here, body=body))

    @router.get("/{id}", response_class=HTMLResponse)
    def entry(id: str, request: Request) -> HTMLResponse:
        words = language_of(request)
        catalogue = load_catalogue()
        try:
            disease = catalogue[id]
        except UnknownDisease:
            sentence = (
                f'<main><p class="rz-problem" role="alert">{escape(words("diseases.unknown"))}</p></main>'
            )
            page = standalone_page(words, title=words("diseases.title"), here="/diseases", body=sentence)
            return HTMLResponse(page, 404)
        body = entry_page(catalogue, disease, words, illustrated=id in phantom.LABELS)
        return HTMLResponse(
            standalone_page(words, title=shown_name(disease, words), here=f"/diseases/{id}", body=body)
        )

    @router.get("/{id}/synthetic.png")
    def illustration(id: str) -> Response:
        if id not in phantom.LABELS:
            return Response(status_code=404)
        return Response(_illustration(id), media_type="image/png", headers={"Cache-Control": "max-age=86400"})

    return router


def search(catalogue: Catalogue, text: str, group: str, rarity: str, sign: str) -> Sequence[Disease]:
    """Return the entries that meet every filter; with a text the best match is first, else by name."""
    if text.strip():
        found: Sequence[Disease] = catalogue.suggest(text, limit=60)
    else:
        found = sorted(catalogue.diseases, key=lambda disease: disease.name.lower())
    return [
        disease
        for disease in found
        if (not group or disease.group == group)
        and (not rarity or disease.rarity == rarity)
        and (not sign or sign in disease.signs)
    ]


@lru_cache(maxsize=64)
def _illustration(id: str) -> bytes:
    return to_png(phantom.render(id, seed=ILLUSTRATION_SEED, size=512))


def _filters(catalogue: Catalogue, words: Language, q: str, group: str, rarity: str, sign: str) -> str:
    signs = sorted((words.name_of(s.name, s.name_zh), s.id) for s in catalogue.signs.values())
    lists = [
        ("group", [(words(f"group.{g}"), g) for g in catalogue.groups], group),
        ("rarity", [(words(f"diseases.{r}"), r) for r in RARITIES], rarity),
        ("sign", signs, sign),
    ]
    return f"""<main>
<h1>{escape(words("diseases.title"))}</h1>
<p class="rz-quiet">{escape(words("diseases.lead", n=len(catalogue)))}</p>
<form class="rz-filters" method="get" action="/diseases" role="search">
  <label>{escape(words("diseases.search"))}
    <input type="search" name="q" value="{escape(q, quote=True)}"></label>
  {"".join(_select(name, words(f"diseases.{name}"), options, given, words) for name, options, given in lists)}
  <button type="submit">{escape(words("diseases.show"))}</button>
</form>"""


def _select(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str, words: Language) -> str:
    shown = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for text, value in [(words("diseases.any"), ""), *options]
    )
    return f'<label>{escape(label)}<select name="{name}">{shown}</select></label>'


def _list(found: Sequence[Disease], words: Language) -> str:
    items = "".join(
        f'<li><a href="/diseases/{escape(d.id)}">{escape(shown_name(d, words))}</a>'
        f'<span class="rz-quiet">{escape(words(f"group.{d.group}"))} · '
        f"{escape(words(f'diseases.{d.rarity}'))}</span></li>"
        for d in found
    )
    count = escape(words("diseases.found", n=len(found)))
    return f'<p role="status">{count}</p><ul class="rz-diseases">{items}</ul></main>'
