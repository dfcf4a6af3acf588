"""How far a study is, as HTML: its facts as cards, its readers' progress as a table."""

from html import escape

from reader_study.results import StudyStatus
from webapp.language import Language
from webapp.tables import html_table, statement

STATE_WORDS = {
    "draft": "manage.draft",
    "open": "manage.state_open",
    "locked": "manage.locked",
    "unblinded": "manage.unblinded",
    "archived": "manage.archived",
}


def facts(status: StudyStatus, words: Language) -> str:
    """Return the study's facts as a row of cards."""
    model = (status.model or {}).get("id", "–")
    shown = [
        (words("manage.state"), words(STATE_WORDS[status.state])),
        (words("manage.cases"), str(status.cases)),
        (words("manage.readers"), str(len(status.readers))),
        (words("manage.readings"), f"{status.readings} / {status.expected_readings}"),
        (words("manage.unresolved"), str(status.unresolved_entries)),
        (words("manage.model"), str(model)),
    ]
    cards = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in shown)
    mark = statement(words("manage.synthetic"), "warning") if status.synthetic else ""
    return f'{mark}<dl class="rz-cards">{cards}</dl>'


def progress(status: StudyStatus, words: Language) -> str:
    """Return each reader's progress; a coordinator's status holds the own site only."""
    rows = [
        (
            words("manage.simulated_reader", name=r.reader_id) if r.simulated else r.reader_id,
            r.site or "–",
            f"{r.done} / {r.total}",
            f"{r.last_reading_at:%Y-%m-%d %H:%M} UTC" if r.last_reading_at else "–",
        )
        for r in status.readers
    ]
    headers = [words(f"manage.{k}") for k in ("reader", "site", "progress", "last")]
    return html_table(words("manage.progress"), headers, rows, numeric=(2,))
