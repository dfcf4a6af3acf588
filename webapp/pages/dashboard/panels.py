"""The dashboard's parts: each figure with its table. Numbers are the report's, unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from reader_study.analysis import Estimate, Report
from reader_study.documents.figures import HIDING, SECTIONS, Document, Figure, table_of
from reader_study.documents.language import say_in
from reader_study.documents.tables import Table
from webapp.language import Language
from webapp.tables import html_table, statement


@dataclass(frozen=True)
class Panel:
    """One figure; ``figure`` is ``None`` where there is nothing to draw, and ``reason`` says why."""

    name: str
    figure: Figure | None
    table: Table | None
    reason: str


def panel(report: Document, name: str, metric: str, words: Language) -> Panel:
    """Draw one figure in the page's language.

    Raises:
        KeyError: there is no figure of that name.
    """
    draw = {key: each for figures in SECTIONS.values() for key, each in figures.items()}[name]
    say = say_in(words.code)
    figure = draw(report, metric, say)
    if figure["data"]:
        return Panel(name, figure, table_of(figure, say), "")
    why = report[HIDING[name]].get("reason", "") if name in HIDING else ""
    return Panel(name, None, None, say(why) if why else words("results.nothing"))


def panels(report: Document, section: str, metric: str, words: Language) -> list[Panel]:
    """Draw every figure of a section."""
    return [panel(report, name, metric, words) for name in SECTIONS[section]]


def panel_html(shown: Panel, query: dict[str, str], words: Language) -> str:
    """Return a panel's frame: the script draws the figure into it; the table stands below in any case."""
    name = shown.name
    if shown.figure is None or shown.table is None:
        return (
            f'<section class="rz-panel" id="panel-{name}"><h2>{escape(words(f"results.{name}"))}</h2>'
            f"{statement(shown.reason)}</section>"
        )
    title = escape(shown.table.title, quote=True)
    link = "/manage/results/table.csv?" + urlencode({**query, "figure": name})
    buttons = "".join(
        f'<button type="button" data-figure="{name}" data-format="{kind}">{kind.upper()}</button>'
        for kind in ("svg", "png")
    )
    table = html_table(shown.table.title, shown.table.header, shown.table.rows, _numeric(shown.table))
    return (
        f'<section class="rz-panel" id="panel-{name}" aria-label="{title}">'
        f'<div class="rz-figure" id="figure-{name}" role="img" aria-label="{title}"'
        f' aria-describedby="table-{name}"></div>'
        f'<p class="rz-take"><span>{escape(words("results.take"))}</span>{buttons}'
        f'<a href="{escape(link, quote=True)}" download>CSV</a></p>'
        f'<details id="table-{name}"><summary>{escape(words("results.table"))}</summary>{table}</details>'
        "</section>"
    )


def headline(report: Report, words: Language) -> str:
    """Return the main comparisons as cards: aided minus unaided, readers minus model."""
    say = say_in(words.code)
    cards = []
    top1 = report.aided_vs_unaided.get("top1", {})
    if top1.get("difference") is not None:
        cards.append((say("aided minus unaided"), _difference(top1, words)))
    for row in report.model_vs_readers:
        if row.metric == "top1" and row.group == "readers" and row.difference.value is not None:
            name = say(f"readers ({row.arm}) minus model")
            cards.append((name, _difference(row.difference.to_json("difference"), words)))
    items = "".join(
        f"<div><dt>{escape(name)}, Top-1</dt><dd>{escape(text)}</dd></div>" for name, text in cards
    )
    return f'<dl class="rz-cards rz-cards-wide">{items}</dl>' if cards else ""


def _difference(each: dict[str, Any], words: Language) -> str:
    text = f"{each['difference']:+.1%}"
    if each["ci"] is None:
        return text
    p = each["p"]
    told = "" if p is None else ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"
    return f"{text} ({each['ci'][0]:+.1%} {words('results.to')} {each['ci'][1]:+.1%}{told})"


def notes(report: Report, words: Language) -> str:
    """Return the report's own words and the methods text."""
    say = say_in(words.code)
    items = "".join(f"<li>{escape(say(note))}</li>" for note in report.notes)
    heading = escape(words("manage.chance_note"))
    return f'<h2>{heading}</h2><ul>{items}</ul><p class="rz-quiet">{escape(say(report.methods))}</p>'


def accuracy_rows(report: Report, words: Language) -> list[tuple[str, str, str, str, str]]:
    """Return (who, metric, correct, accuracy, interval) for readers, means, model and difference."""
    say, rows = say_in(words.code), []
    for reader in report.readers:
        name = (
            words("manage.simulated_reader", name=reader.reader_id) if reader.simulated else reader.reader_id
        )
        rows.append(_row(f"{name}, {say(reader.arm)}", reader.metric, reader.accuracy, words))
    for group in report.groups:
        key = "manage.mean_readers" if group.group == "readers" else "manage.mean_simulated"
        rows.append(
            _row(f"{words(key, n=group.readers)}, {say(group.arm)}", group.metric, group.accuracy, words)
        )
    rows += [
        _row(words("manage.model"), metric, estimate, words) for metric, estimate in report.model.items()
    ]
    for d in report.model_vs_readers:
        name = words("manage.difference", group=f"{say(d.group)}, {say(d.arm)}")
        rows.append(_row(name, d.metric, d.difference, words, signed=True))
    return rows


def accuracy_table(report: Report, words: Language, metric: str) -> str:
    """Return the accuracy table at one metric, simulated readers marked and apart from the others."""
    rows = [row for row in accuracy_rows(report, words) if row[1] == words(f"manage.{metric}")]
    headers = [words(f"manage.{k}") for k in ("reader", "metric", "correct", "accuracy", "interval")]
    return html_table(words("manage.accuracy"), headers, rows, numeric=(2, 3, 4))


def _numeric(table: Table) -> tuple[int, ...]:
    return tuple(range(table.numeric_from, len(table.header)))


def _row(
    name: str, metric: str, estimate: Estimate, words: Language, signed: bool = False
) -> tuple[str, str, str, str, str]:
    if estimate.value is None:
        return (
            name,
            words(f"manage.{metric}"),
            "–",
            words("manage.not_estimable", reason=say_in(words.code)(estimate.reason)),
            "–",
        )
    form = "{:+.1%}" if signed else "{:.1%}"
    interval = f"{form.format(estimate.ci[0])} – {form.format(estimate.ci[1])}" if estimate.ci else "–"
    correct = f"{estimate.x} / {estimate.n}" if estimate.x is not None else "–"
    return name, words(f"manage.{metric}"), correct, form.format(estimate.value), interval
