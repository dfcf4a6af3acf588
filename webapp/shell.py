"""What every page has around it: the bar with the ways to go, the language switch, the research notice."""

from html import escape
from string import Template
from urllib.parse import quote

from webapp.language import Language
from webapp.theme import style_sheet

# Pages are light in every browser mode: colours of figures and of photographs' surround are chosen for it.
HEAD = '<meta name="color-scheme" content="light"><meta name="robots" content="noindex">'

_PAGE = Template("""<!doctype html>
<html lang="$code">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
$head<title>$title · RetiZero Studio</title><style>$css</style></head>
<body class="rz-standalone">$bar$body</body></html>""")


def top_bar(words: Language, here: str, signs_out: bool = False) -> str:
    """Return the bar: brand, ways to go, language switch and, behind the login, the way out."""
    other = "zh" if words.code == "en" else "en"
    ways = [
        ("/", words("bar.demo")),
        ("/diseases", words("bar.diseases")),
        ("/read/", words("bar.read")),
        ("/manage/", words("bar.manage")),
    ]
    links = "".join(
        f'<a href="{href}"{_current(href, here)}>{escape(text)}</a>'
        for href, text in ways
    )  # fmt: skip
    account = (
        f'<a href="/account">{escape(words("bar.account"))}</a>'
        '<form method="post" action="/logout"><button type="submit">'
        f"{escape(words('bar.logout'))}</button></form>"
        if signs_out
        else ""
    )
    switch = escape(words("bar.language"))
    return f"""<header class="rz-bar">
  <a class="rz-brand" href="/"><span aria-hidden="true" class="rz-mark"></span>RetiZero Studio</a>
  <nav aria-label="{escape(words("bar.nav"))}">{links}</nav>
  <div class="rz-end">{account}
    <a href="/language/{other}?next={quote(here)}" hreflang="{other}" lang="{other}">{switch}</a></div>
</header>"""


def notice(words: Language) -> str:
    """Return the research-use notice, shown once at the foot of a page."""
    return f'<p class="rz-notice" role="note">{escape(words("shell.notice"))}</p>'


def standalone_page(words: Language, *, title: str, here: str, body: str, signs_out: bool = False) -> str:
    """Return a whole HTML page that needs no Gradio: the login page and error pages."""
    return _PAGE.substitute(
        code="zh-CN" if words.code == "zh" else "en",
        head=HEAD,
        title=escape(title),
        css=style_sheet(),
        bar=top_bar(words, here, signs_out),
        body=body + notice(words),
    )


def _current(href: str, here: str) -> str:
    """Mark the way to this page, and ``/manage/`` for all pages below it."""
    path, way = here.partition("?")[0].rstrip("/"), href.rstrip("/")
    below = way == "/manage" and path.startswith("/manage/")
    return ' aria-current="page"' if path == way or below else ""
