"""``/manage/results/``: a study's dashboard, section by section, for what the study's state lets be shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from reader_study import results
from reader_study.analysis import Report
from reader_study.documents.figures import SECTIONS, Document
from reader_study.documents.language import say_in
from reader_study.errors import NotAllowed
from reader_study.results import StudyStatus
from retizero.knowledge import load_catalogue
from webapp.language import Language
from webapp.pages.dashboard import panels
from webapp.pages.dashboard.filters import FIELDS, METRICS, Filters, choices
from webapp.pages.dashboard.kept import KeptReports
from webapp.pages.managing.acting import Acting
from webapp.tables import statement
from webapp.theme import script

HERE = "/manage/results/"


@dataclass(frozen=True)
class Asked:
    """What a request wants to see."""

    study: str
    section: str
    metric: str
    filters: Filters

    @classmethod
    def of_query(cls, query: Mapping[str, str], studies: Sequence[StudyStatus]) -> Asked:
        """Take what can be shown; anything unknown becomes the first choice."""
        names = [each.name for each in studies]
        study = query.get("study", "")
        section, metric = query.get("section", ""), query.get("metric", "")
        return cls(
            study if study in names else next(iter(names), ""),
            section if section in SECTIONS else "overview",
            metric if metric in METRICS else "top1",
            Filters.of_query(query),
        )

    @property
    def query(self) -> dict[str, str]:
        """The same as parts of an address."""
        chosen = {field: getattr(self.filters, field) for field in FIELDS}
        parts = {"study": self.study, "section": self.section, "metric": self.metric, **chosen}
        return {key: value for key, value in parts.items() if value}


def page(who: Acting, asked: Asked, studies: Sequence[StudyStatus], kept: KeptReports) -> str:
    """Return the whole page's body."""
    words = who.words
    title = f"<h1>{escape(words('manage.nav_results'))}</h1>"
    if not studies:
        return title + statement(words("manage.none"))
    content, figures, report = section_of(who, asked, kept)
    return (
        f"{title}{_form(asked, studies, report, words)}{_ways(asked, words)}"
        f'<div id="rz-results" aria-live="polite" aria-busy="false">{content}</div>'
        f'<script type="application/json" id="rz-figures">{figures}</script>'
        f'<script src="/plotly.js" defer></script><script>{script("dashboard.js")}</script>'
    )


def section_of(who: Acting, asked: Asked, kept: KeptReports) -> tuple[str, str, Report | None]:
    """Return a section as HTML, its figures as JSON, and the report behind them (``None`` while closed)."""
    words = who.words
    said, report = "", None
    document: Document = {}
    try:
        report = kept.report(who.user.id, asked.study, asked.filters)
        document = report.document
    except NotAllowed as error:
        said = statement(words(CLOSED.get(str(error), "results.closed")), "warning")
    if asked.section == "progress":
        # progress is open in every state, whatever the filters are
        rows = results.data_quality(who.database, who.user.id, asked.study)
        document = {"quality": rows}
    elif report is None:
        return said, "{}", None
    shown = panels.panels(document, asked.section, asked.metric, words)
    body = "".join(panels.panel_html(each, asked.query, words) for each in shown)
    if report is not None and asked.section == "overview":
        body = panels.headline(report, words) + body
        body += f'<section class="rz-panel">{panels.accuracy_table(report, words, asked.metric)}</section>'
    if report is not None:
        body += f'<section class="rz-panel">{panels.notes(report, words)}{_documents(asked, words)}</section>'
    figures = {each.name: each.figure for each in shown if each.figure is not None}
    text = json.dumps(figures, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return said + f'<div class="rz-panels">{body}</div>', text, report


CLOSED = {
    "Results are closed until the study is locked.": "manage.hidden",
    "Results are closed until the study is unblinded.": "results.blinded",
}


def _form(asked: Asked, studies: Sequence[StudyStatus], report: Report | None, words: Language) -> str:
    named = [(study.name, study.title) for study in studies]
    fields = [_select("study", words("manage.study"), named, asked.study)]
    metrics = [(metric, words(f"manage.{metric}")) for metric in METRICS]
    fields.append(_select("metric", words("manage.metric"), metrics, asked.metric))
    if report is not None:
        whole = choices(report.table, diseases=report.disclosure.cells)
        for field in FIELDS:
            chosen = getattr(asked.filters, field)
            options = sorted({*whole[field], *([chosen] if chosen else [])})
            if options:
                told = [("", words("results.all")), *((each, _told(field, each, words)) for each in options)]
                fields.append(_select(field, words(f"results.{field}"), told, chosen))
    return (
        f'<form class="rz-choices" id="rz-filters" method="get" action="{HERE}">'
        f'<input type="hidden" name="section" value="{asked.section}">{"".join(fields)}'
        f'<button type="submit">{escape(words("results.show"))}</button></form>'
    )


def _told(field: str, value: str, words: Language) -> str:
    if field == "disease":
        catalogue = load_catalogue()
        if value in catalogue:
            return words.name_of(catalogue[value].name, catalogue[value].name_zh)
    return say_in(words.code)(value)


def _select(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    items = "".join(
        f'<option value="{escape(value, quote=True)}"{" selected" if value == chosen else ""}>'
        f"{escape(text)}</option>"
        for value, text in options
    )
    return f'<label>{escape(label)}<select name="{name}">{items}</select></label>'


def _ways(asked: Asked, words: Language) -> str:
    links = "".join(
        f'<a data-section="{section}" href="{HERE}?{escape(urlencode({**asked.query, "section": section}))}"'
        f"{' aria-current=page' if section == asked.section else ''}>"
        f"{escape(words(f'results.section_{section}'))}</a>"
        for section in SECTIONS
    )
    return f'<nav class="rz-ways rz-sections" aria-label="{escape(words("results.sections"))}">{links}</nav>'


def _documents(asked: Asked, words: Language) -> str:
    query = urlencode({"study": asked.study})
    files = (("results.csv", "manage.download"), ("report.html", "manage.report"))
    return "".join(
        f'<a class="rz-download" href="/manage/{file}?{query}">{escape(words(key))}</a> '
        for file, key in files
    )
