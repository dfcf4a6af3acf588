"""The benchmark pages as HTML: the form, the list of runs, a run's progress, its tables and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from retizero.evaluation.figures import figures_of
from retizero.evaluation.tables import report_words, tables_of
from retizero.model import known_models
from webapp.language import Language
from webapp.pages.benchmark.runs import Run, protocols
from webapp.refusals import refusal
from webapp.tables import html_table, statement

PATH = "/manage/benchmarks"
PLOTLY = "/assets/plotly.min.js"
FORMATS = ("html", "md", "csv", "json")
_DRAW = """
for (const [name, figure] of Object.entries(FIGURES))
  Plotly.newPlot('figure-' + name, figure.data, figure.layout, {responsive: true, displaylogo: false});
"""


def address(run: Run) -> str:
    """The path of a run's page."""
    return f"{PATH}/{quote(run.id)}"


def overview(words: Language, manifests: Mapping[str, Path], folder: Path, runs: tuple[Run, ...]) -> str:
    """Return the form and the list of runs."""
    rows = "".join(
        f'<tr><th scope="row"><a href="{address(run)}">{escape(run.id)}</a></th>'
        f"<td>{escape(run.order.manifest)}</td><td>{escape(', '.join(run.order.models))}</td>"
        f"<td>{escape(run.order.task)}, {escape(run.order.protocol)}</td>"
        f"<td>{escape(words(f'benchmark.{run.state}'))}</td></tr>"
        for run in runs
    )
    heads = "".join(
        f'<th scope="col">{escape(words(f"benchmark.{key}"))}</th>'
        for key in ("run", "manifest", "models", "protocol", "state")
    )
    listed = (
        f'<div class="rz-table" tabindex="0" role="region" aria-label="{escape(words("benchmark.runs"))}">'
        f"<table><caption>{escape(words('benchmark.runs'))}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        if runs
        else ""
    )
    lead = f"<h1>{escape(words('benchmark.title'))}</h1><p>{escape(words('benchmark.lead'))}</p>"
    where = statement(words("benchmark.where", folder=str(folder)), "quiet")
    return f"{lead}{_form(words, manifests)}{where}{listed}"


def _form(words: Language, manifests: Mapping[str, Path]) -> str:
    if not manifests:
        return statement(words("benchmark.no_manifest"), "warning")
    known = known_models()
    first = next((model.id for model in known if model.present), "")
    models = "".join(
        f'<label><input type="checkbox" name="model" value="{escape(model.id, quote=True)}"'
        f"{' checked' if model.id == first else ''}{'' if model.present else ' disabled'}> "
        f"{escape(model.title)} ({escape(model.id)})"
        f"{'' if model.present else ', ' + escape(words('benchmark.absent'))}</label>"
        for model in known
    )
    choices = {"zero-shot": "", "retrieval": ""}
    for task, name, title in protocols():
        value = escape(f"{task}/{name}", quote=True)
        choices[task] += f'<option value="{value}">{escape(name)}: {escape(title)}</option>'
    grouped = "".join(
        f'<optgroup label="{escape(words("benchmark." + task.replace("-", "_")))}">{options}</optgroup>'
        for task, options in choices.items()
    )
    files = "".join(f"<option>{escape(name)}</option>" for name in manifests)
    return f"""<form class="rz-step rz-fields" method="post" action="{PATH}">
<fieldset><legend>{escape(words("benchmark.models"))}</legend>{models}</fieldset>
<label for="manifest">{escape(words("benchmark.manifest"))}</label>
<select id="manifest" name="manifest">{files}</select>
<label for="split">{escape(words("benchmark.split"))}</label>
<input id="split" name="split" maxlength="40" autocomplete="off">
<label for="protocol">{escape(words("benchmark.protocol"))}</label>
<select id="protocol" name="protocol">{grouped}</select>
<button type="submit">{escape(words("benchmark.begin"))}</button>
</form>"""


def run_page(words: Language, run: Run) -> str:
    """Return a run: what was asked, how far it is, or what was found."""
    order = run.order
    facts = [
        ("manifest", order.manifest + (f" ({order.split})" if order.split else "")),
        ("models", ", ".join(order.models)),
        ("protocol", f"{order.task}, {order.protocol}"),
        ("state", words(f"benchmark.{run.state}")),
    ]
    cards = "".join(
        f"<div><dt>{escape(words(f'benchmark.{key}'))}</dt><dd>{escape(value)}</dd></div>"
        for key, value in facts
    )
    body = f'<h1>{escape(words("benchmark.title"))}</h1><dl class="rz-cards">{cards}</dl>'
    body += f'<p><a href="{PATH}/">{escape(words("benchmark.all"))}</a></p>'
    if run.state in ("waiting", "running"):
        return body + _progress(words, run)
    if run.state == "failed":
        return body + statement(refusal(run.problem, words), "problem")
    figures: dict[str, Any] = {}
    for number, (name, result) in enumerate(run.results.items()):
        body += _result(words, run, number, name, result, figures)
    return body + _drawn(figures)


def _progress(words: Language, run: Run) -> str:
    said = words("benchmark.progress", done=run.done, total=run.total, model=run.model or "-")
    bar = f'max="{max(run.total, 1)}" value="{run.done}" aria-label="{escape(said, quote=True)}"'
    return f"""<div role="status"><p>{escape(said)}</p><progress class="rz-progress" {bar}></progress></div>
<form method="post" action="{address(run)}/stop">
<button type="submit">{escape(words("benchmark.stop"))}</button></form>"""


def _result(
    words: Language, run: Run, number: int, name: str, result: Mapping[str, Any], figures: dict[str, Any]
) -> str:
    """One model's result, or a comparison; its figures are added to ``figures``."""
    spoken = report_words(words.code)
    links = " ".join(
        f'<a class="rz-download" href="{address(run)}/{number}.{kind}">{kind.upper()}</a>' for kind in FORMATS
    )
    drawings = ""
    for key, figure in figures_of(result, spoken, words.code).items():
        figures[f"{number}-{key}"] = figure
        drawings += f'<div class="rz-figure" id="figure-{number}-{key}"></div>'
    headline, *others = tables_of(result, spoken, words.code)
    first = html_table(headline.title, headline.header, headline.rows, headline.numeric)
    more = "".join(html_table(t.title, t.header, t.rows, t.numeric) for t in others if t.rows)
    more = f"<details><summary>{escape(words('benchmark.details'))}</summary>{more}</details>" if more else ""
    return (
        f'<section aria-label="{escape(name, quote=True)}"><h2>{escape(name)}</h2>'
        f"<p>{escape(words('benchmark.download'))} {links}</p>{first}{drawings}{more}</section>"
    )


def _drawn(figures: Mapping[str, Any]) -> str:
    if not figures:
        return ""
    values = json.dumps(figures, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return f'<script src="{PLOTLY}"></script><script>const FIGURES = {values};{_DRAW}</script>'
