"""A result as Markdown and as one HTML file that needs no network: the same tables, figures beside them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib import metadata
from typing import Any

from retizero.evaluation.figures import figures_of
from retizero.evaluation.tables import Code, Table, Words, headline, kind_of, report_words, tables_of

_STYLE = """
body { font: 16px/1.5 system-ui, 'Noto Sans CJK SC', sans-serif; color: #1b2430;
  background: #f5f7fa; margin: 0 }
main { max-width: 62rem; margin: 0 auto; padding: 1rem }
section { background: #fff; border: 1px solid #d7dde5; border-radius: 8px; padding: 1rem; margin: 1rem 0 }
.table { overflow-x: auto } table { border-collapse: collapse; font-size: .92rem }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #d7dde5;
  vertical-align: top }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap } h1 { font-size: 1.5rem }
"""
_DRAW = """
for (const [name, figure] of Object.entries(FIGURES))
  Plotly.newPlot('figure-' + name, figure.data, figure.layout, {responsive: true, displaylogo: false});
"""


def to_markdown(report: Mapping[str, Any], code: Code = "en") -> str:
    """Return every table of a result as Markdown, with how it was measured below."""
    words = report_words(code)
    parts = [f"# {words('title_' + kind_of(report))}", _model_line(report, words)]
    parts += [
        f"## {table.title}\n\n{markdown_table(table)}"
        for table in tables_of(report, words, code)
        if table.rows
    ]
    parts.append(f"## {words('how')}\n\n" + "\n".join(f"- {key}: {text}" for key, text in method_of(report)))
    return "\n\n".join([*parts, words("research")]) + "\n"


def markdown_table(table: Table) -> str:
    """Return one table as Markdown, numbers aligned right."""
    rule = ["---:" if column in table.numeric else "---" for column in range(len(table.header))]
    lines = [table.header, tuple(rule), *table.rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


def to_csv(report: Mapping[str, Any], code: Code = "en") -> str:
    """Return the headline table as CSV."""
    table = headline(report, report_words(code))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([_safe(cell) for cell in line] for line in (table.header, *table.rows))
    return out.getvalue()


def to_html(report: Mapping[str, Any], code: Code = "en") -> str:
    """Return a result as one HTML page with its figures and Plotly inside (5 MB), for reading offline."""
    words = report_words(code)
    title = words("title_" + kind_of(report))
    figures = figures_of(report, words, code)
    drawings = "".join(f'<section><div id="figure-{name}"></div></section>' for name in figures)
    tables = "".join(f"<section>{_html_table(table)}</section>" for table in tables_of(report, words, code))
    method = "".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in method_of(report))
    script = ""
    if figures:
        values = json.dumps(figures, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
        script = f"<script>{plotly_script()}</script><script>const FIGURES = {values};{_DRAW}</script>"
    return (
        f'<!doctype html><html lang="{"zh-CN" if code == "zh" else "en"}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1><p>{escape(_model_line(report, words))}</p>{drawings}{tables}"
        f"<section><h2>{escape(words('how'))}</h2><dl>{method}</dl></section>"
        f"<p>{escape(words('research'))}</p></main>{script}</body></html>"
    )


def method_of(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The sentences of a result's protocol, long lists left to the JSON file."""
    found = []
    for key, value in report["protocol"].items():
        if isinstance(value, str | int | float):
            found.append((key.replace("_", " "), str(value)))
        elif key == "label_set":
            found.append(
                ("label set", f"{value['name']} (version {value['version']}, {value['size']} labels)")
            )
        elif key == "problems" and value:
            found.append((key, f"{len(value)} rows; the first: {value[0]}"))
    return found


def _model_line(report: Mapping[str, Any], words: Words) -> str:
    models = report.get("models") or ({"": report["model"]} if "model" in report else {})
    named = [
        f"{each.get('id', '?')} ({str(each.get('weights_sha256', ''))[:12] or '-'})"
        for each in models.values()
    ]
    return f"{words('model')}: {' - '.join(named)}" if named else ""


def _html_table(table: Table) -> str:
    def cell(tag: str, column: int, text: str) -> str:
        return f"<{tag}{' class=n' if column in table.numeric else ''}>{escape(text)}</{tag}>"

    head = "".join(cell("th", i, text) for i, text in enumerate(table.header))
    body = "".join(
        "<tr>" + "".join(cell("td", i, text) for i, text in enumerate(row)) + "</tr>" for row in table.rows
    )
    return (
        f'<div class="table"><table><caption>{escape(table.title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _safe(cell: str) -> str:
    """Keep a spreadsheet from taking a cell for a formula; numbers with a sign stay numbers."""
    try:
        float(cell)
    except ValueError:
        return f"'{cell}" if cell[:1] in "=+-@\t\r" and cell != "-" else cell
    return cell


@cache
def plotly_script() -> str:
    """Plotly's own script, as the installed package has it; the package itself is not imported."""
    path = metadata.distribution("plotly").locate_file("plotly/package_data/plotly.min.js")
    with open(str(path), encoding="utf-8") as file:
        return file.read().replace("</script", "<\\/script")
