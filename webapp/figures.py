"""Plotly figures. They draw what they are given and compute nothing; every colour comes from ``theme``."""

import unicodedata
from collections.abc import Sequence

import plotly.graph_objects as go

from reader_study.analysis import Estimate, Report
from webapp import theme
from webapp.language import Language

_LAYOUT = {
    "template": "plotly_white",
    "font": {"family": ", ".join(theme.FONTS), "size": 14, "color": theme.INK},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 8, "r": 16, "t": 48, "b": 40},
    "hoverlabel": {"font": {"size": 14}},
    "modebar": {"orientation": "v"},
}


def ranking(names: Sequence[str], probabilities: Sequence[float], words: Language) -> go.Figure:
    """Return a horizontal bar chart of ranked diagnoses, the likeliest on top.

    Args:
        names: diagnoses, best first.
        probabilities: their probabilities in [0, 1], same order.
        words: the language of titles.
    """
    text = [f"{p:.1%}" for p in probabilities]
    colours = [theme.MODEL if i == 0 else theme.NEUTRAL for i in range(len(names))]
    labels = [_wrap(f"{i}. {name}") for i, name in enumerate(names, start=1)]
    figure = go.Figure(
        go.Bar(
            x=list(probabilities),
            y=labels,
            orientation="h",
            text=text,
            textposition="outside",
            cliponaxis=False,
            marker_color=colours,
            hovertemplate="%{y}<br>%{text}<extra></extra>",
        )
    )
    figure.update_layout(
        **_LAYOUT,
        title=words("demo.figure"),
        height=110 + 46 * len(names),
        xaxis={
            "title": {"text": words("demo.probability"), "font": {"size": 13}},
            "nticks": 4,
            "tickformat": ".0%",
            "rangemode": "tozero",
            "range": [0, min(1.15, max(probabilities, default=1.0) * 1.25 + 0.02)],
        },
        yaxis={"autorange": "reversed", "automargin": True},
        showlegend=False,
    )
    return figure


def forest(report: Report, metric: str, words: Language) -> go.Figure:
    """Return readers (sorted), their means and the model at one metric, each with its interval.

    Args:
        report: the study's one report.
        metric: "top1", "top3" or "top5".
        words: the language of titles.
    """
    rows: list[tuple[str, Estimate, str, str]] = []
    readers = [r for r in report.readers if r.metric == metric]
    arms = {r.arm for r in readers}
    readers.sort(key=lambda r: (r.simulated, r.arm, -(r.accuracy.value or 0.0)))
    for reader in readers:
        name = (
            words("manage.simulated_reader", name=reader.reader_id) if reader.simulated else reader.reader_id
        )
        name = f"{name}, {reader.arm}" if len(arms) > 1 else name
        colour = theme.SIMULATED if reader.simulated else theme.READERS
        rows.append((name, reader.accuracy, colour, "circle-open" if reader.simulated else "circle"))
    for group in (g for g in report.groups if g.metric == metric):
        simulated = group.group != "readers"
        key = "manage.mean_simulated" if simulated else "manage.mean_readers"
        name = words(key, n=group.readers)
        name = f"{name}, {group.arm}" if len(arms) > 1 else name
        symbol = "diamond-open" if simulated else "diamond"
        rows.append((name, group.accuracy, theme.SIMULATED if simulated else theme.READERS, symbol))
    model = report.model.get(metric)
    if model is not None:
        rows.append((words("manage.model"), model, theme.MODEL, "square"))
    figure = go.Figure()
    for name, estimate, colour, symbol in rows:
        if estimate.value is None:
            continue
        low, high = estimate.ci or (estimate.value, estimate.value)
        figure.add_trace(
            go.Scatter(
                x=[estimate.value],
                y=[_wrap(name)],
                mode="markers",
                marker={"color": colour, "size": 12, "symbol": symbol, "line": {"width": 2, "color": colour}},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "thickness": 2,
                    "width": 5,
                    "color": colour,
                    "array": [high - estimate.value],
                    "arrayminus": [estimate.value - low],
                },
                hovertemplate=f"%{{y}}<br>%{{x:.1%}} [{low:.1%}, {high:.1%}]<extra></extra>",
            )
        )
    if model is not None and model.value is not None:
        figure.add_vline(x=model.value, line={"color": theme.MODEL, "width": 1.5, "dash": "dash"})
    figure.update_layout(
        **_LAYOUT,
        title=_wrap(words("manage.forest", metric=words(f"manage.{metric}")), 60),
        height=140 + 34 * max(3, len(rows)),
        xaxis={"title": words("manage.accuracy"), "tickformat": ".0%", "range": [-0.02, 1.02]},
        yaxis={"autorange": "reversed", "automargin": True},
        showlegend=False,
    )
    return figure


def top_k_curve(report: Report, words: Language) -> go.Figure:
    """Return mean reader accuracy and model accuracy over k, each with its interval."""
    figure = go.Figure()
    names = [words(f"manage.{metric}") for metric in report.metrics]
    lines: list[tuple[str, list[Estimate | None], str, str, str]] = []
    for group in dict.fromkeys((g.group, g.arm, g.readers) for g in report.groups):
        kind, arm, n = group
        found = {g.metric: g.accuracy for g in report.groups if g.group == kind and g.arm == arm}
        simulated = kind != "readers"
        label = words("manage.mean_simulated" if simulated else "manage.mean_readers", n=n)
        colour, symbol, dash = (
            (theme.SIMULATED, "diamond-open", "dot") if simulated else (theme.READERS, "diamond", "solid")
        )
        several = len({g.arm for g in report.groups}) > 1
        estimates = [found.get(m) for m in report.metrics]
        lines.append((f"{label}, {arm}" if several else label, estimates, colour, symbol, dash))
    if report.model:
        estimates = [report.model.get(m) for m in report.metrics]
        lines.append((words("manage.model"), estimates, theme.MODEL, "square", "dash"))
    for label, estimates, colour, symbol, dash in lines:
        kept = [
            (n, e) for n, e in zip(names, estimates, strict=True) if e is not None and e.value is not None
        ]
        if not kept:
            continue
        values = [e.value or 0.0 for _, e in kept]
        intervals = [e.ci or (v, v) for (_, e), v in zip(kept, values, strict=True)]
        figure.add_trace(
            go.Scatter(
                x=[n for n, _ in kept],
                y=values,
                name=label,
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 2.5},
                marker={"size": 11, "symbol": symbol},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "thickness": 2,
                    "width": 5,
                    "array": [high - v for v, (_, high) in zip(values, intervals, strict=True)],
                    "arrayminus": [v - low for v, (low, _) in zip(values, intervals, strict=True)],
                },
                hovertemplate="%{x}: %{y:.1%}<extra></extra>",
            )
        )
    figure.update_layout(
        **_LAYOUT,
        title=words("manage.curve"),
        height=420,
        yaxis={"title": words("manage.accuracy"), "tickformat": ".0%", "range": [-0.02, 1.05]},
        legend={"orientation": "h", "y": -0.2},
    )
    return figure


def _wrap(text: str, width: int = 22) -> str:
    """Break a label at spaces to leave room for the bars on a narrow screen; a Chinese sign counts twice."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and _columns(f"{lines[-1]} {word}") > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
