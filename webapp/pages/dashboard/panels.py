"""The parts of the dashboard as HTML: accuracy and notes. Numbers are the report's, unchanged."""

from html import escape

from reader_study.analysis import Estimate, Report
from webapp.language import Language
from webapp.tables import html_table


def accuracy_rows(report: Report, words: Language) -> list[tuple[str, str, str, str, str]]:
    """Return (who, metric, correct, accuracy, interval) for readers, means, model and difference."""
    rows = []
    for reader in report.readers:
        name = (
            words("manage.simulated_reader", name=reader.reader_id) if reader.simulated else reader.reader_id
        )
        rows.append(_row(f"{name}, {reader.arm}", reader.metric, reader.accuracy, words))
    for group in report.groups:
        key = "manage.mean_readers" if group.group == "readers" else "manage.mean_simulated"
        rows.append(_row(f"{words(key, n=group.readers)}, {group.arm}", group.metric, group.accuracy, words))
    rows += [
        _row(words("manage.model"), metric, estimate, words) for metric, estimate in report.model.items()
    ]
    for d in report.model_vs_readers:
        name = words("manage.difference", group=f"{d.group}, {d.arm}")
        rows.append(_row(name, d.metric, d.difference, words, signed=True))
    return rows


def accuracy_table(report: Report, words: Language, metric: str | None = None) -> str:
    """Return the accuracy table, all metrics or one."""
    wanted = words(f"manage.{metric}") if metric else None
    rows = [row for row in accuracy_rows(report, words) if wanted in (None, row[1])]
    headers = [words(f"manage.{k}") for k in ("reader", "metric", "correct", "accuracy", "interval")]
    return html_table(words("manage.accuracy"), headers, rows, numeric=(2, 3, 4))


def notes(report: Report, words: Language) -> str:
    """Return the report's own words and the methods text."""
    items = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    heading = escape(words("manage.chance_note"))
    return f'<h3>{heading}</h3><ul>{items}</ul><p class="rz-quiet">{escape(report.methods)}</p>'


def _row(
    name: str, metric: str, estimate: Estimate, words: Language, signed: bool = False
) -> tuple[str, str, str, str, str]:
    if estimate.value is None:
        return (
            name,
            words(f"manage.{metric}"),
            "–",
            words("manage.not_estimable", reason=estimate.reason),
            "–",
        )
    form = "{:+.1%}" if signed else "{:.1%}"
    interval = f"{form.format(estimate.ci[0])} – {form.format(estimate.ci[1])}" if estimate.ci else "–"
    correct = f"{estimate.x} / {estimate.n}" if estimate.x is not None else "–"
    return name, words(f"manage.{metric}"), correct, form.format(estimate.value), interval
