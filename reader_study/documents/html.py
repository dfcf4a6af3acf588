"""A report as one HTML file that needs no network: figures, the tables beside them, methods, checklist."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

from reader_study.documents.checklists import checklist
from reader_study.documents.figures import figures_of
from reader_study.documents.language import Code, say_in
from reader_study.documents.method import NOTICE, facts_of
from reader_study.documents.tables import Table, tables_of, translated

_STYLE = """
body { font: 16px/1.5 system-ui, 'Noto Sans CJK SC', sans-serif; color: #1b2430;
  background: #f5f7fa; margin: 0 }
main { max-width: 66rem; margin: 0 auto; padding: 1rem }
section { background: #fff; border: 1px solid #d7dde5; border-radius: 8px; padding: 1rem; margin: 1rem 0 }
.table { overflow-x: auto } table { border-collapse: collapse; font-size: .92rem }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #d7dde5 }
td { vertical-align: top } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
dt { font-weight: 600 } dd { margin: 0 0 .5rem } h1 { font-size: 1.5rem } h2 { font-size: 1.1rem }
"""
_DRAW = """
for (const [name, figure] of Object.entries(FIGURES))
  Plotly.newPlot('figure-' + name, figure.data, figure.layout, {responsive: true, displaylogo: false});
"""


def to_html(report: Mapping[str, Any], language: Code = "en") -> str:
    """Return the report of ``analyse`` as one page with Plotly inside (5 MB), for reading offline."""
    say = say_in(language)
    title = report["study"].get("title") or report["study"].get("name") or "Reader study"
    figures = figures_of(report, say=say)
    below = escape(say("its numbers are in the tables below"))
    drawings = "".join(
        f'<section role="img" aria-label="{escape(_title(figure))}; {below}">'
        f'<div id="figure-{name}"></div></section>'
        for name, figure in figures.items()
    )
    notes = "".join(f"<li>{escape(say(note))}</li>" for note in report["notes"])
    facts = "".join(
        f"<dt>{escape(say(name))}</dt><dd>{escape(say(text))}</dd>" for name, text in facts_of(report)
    )
    values = json.dumps(figures, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return (
        f'<!doctype html><html lang="{"zh-CN" if language == "zh" else "en"}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1><p>{escape(say(NOTICE))}</p>"
        + (f"<section><ul>{notes}</ul></section>" if notes else "")
        + drawings
        + "".join(_table(translated(table, say)) for table in tables_of(report))
        + f"<section><h2>{escape(say('Methods'))}</h2><dl>{facts}</dl></section>"
        + _table(translated(checklist(report), say))
        + f"</main><script>{plotly_script()}</script><script>const FIGURES = {values};{_DRAW}</script>"
        + "</body></html>"
    )


def _title(figure: Mapping[str, Any]) -> str:
    return str(figure["layout"]["title"]["text"]).replace("<br>", " ")


def _table(table: Table) -> str:
    def cell(tag: str, place: int, text: str) -> str:
        return f"<{tag}{' class=n' if place >= table.numeric_from else ''}>{escape(text)}</{tag}>"

    head = "".join(cell("th", place, text) for place, text in enumerate(table.header))
    body = "".join(
        "<tr>" + "".join(cell("td", place, text) for place, text in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    return (
        f'<section><div class="table"><table><caption>{escape(table.title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def plotly_script() -> str:
    """Plotly's own script, as the installed package has it."""
    path = Path(str(metadata.distribution("plotly").locate_file("plotly/package_data/plotly.min.js")))
    return path.read_text(encoding="utf-8").replace("</script", "<\\/script")
