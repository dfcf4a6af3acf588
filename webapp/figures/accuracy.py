"""Readers and model: who names the diagnosis among the first k."""

import plotly.graph_objects as go

from reader_study.analysis import Estimate, Report
from webapp import theme
from webapp.figures.canvas import LAYOUT, wrap
from webapp.language import Language


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
                y=[wrap(name)],
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
        **LAYOUT,
        title=wrap(words("manage.forest", metric=words(f"manage.{metric}")), 60),
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
        **LAYOUT,
        title=words("manage.curve"),
        height=420,
        yaxis={"title": words("manage.accuracy"), "tickformat": ".0%", "range": [-0.02, 1.05]},
        legend={"orientation": "h", "y": -0.2},
    )
    return figure
