"""Accuracy of sites, of readers by experience and specialty, and on rare and common diseases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reader_study.documents.figures.canvas import Document, Figure, Say, axis, layout, points, share_axis
from reader_study.documents.tables import metric as metric_name

ORDER = {"under 5 years": 0, "5 to 9 years": 1, "10 years and more": 2}


def sites(report: Document, metric: str, say: Say) -> Figure:
    """Each site's accuracy by arm."""
    rows = [row | {"group": row["site"]} for row in report["sites"] if row["metric"] == metric]
    return _dots(rows, f"{metric_name(metric)}: {say('accuracy of each site')}", say)


def experience(report: Document, metric: str, say: Say) -> Figure:
    """Accuracy by years of experience and by specialty."""
    rows = [
        row
        for row in report["subgroups"]
        if row["by"] in ("experience", "specialty") and row["metric"] == metric
    ]
    rows.sort(key=lambda row: (row["by"], ORDER.get(row["group"], 9), row["group"]))
    return _dots(rows, f"{metric_name(metric)}: {say('accuracy by experience and specialty')}", say)


def rarity(report: Document, metric: str, say: Say) -> Figure:
    """Accuracy of readers and model on rare and common diseases."""
    rows = [row for row in report["subgroups"] if row["by"] == "rarity" and row["metric"] == metric]
    figure = _dots(rows, f"{metric_name(metric)}: {say('accuracy on rare and common diseases')}", say)
    models = {row["group"]: row["model"] for row in rows}
    model = points(list(models.values()), [say(name) for name in models], say("model"), "x", "model")
    if model["x"]:
        figure["data"].append(model)
    return figure


def _dots(rows: Sequence[dict[str, Any]], title: str, say: Say) -> Figure:
    shown = [row for row in rows if row["accuracy"] is not None]
    traces = []
    for arm in dict.fromkeys(row["arm"] for row in shown):
        mine = [row for row in shown if row["arm"] == arm]
        names = [say(row["group"]) for row in mine]
        traces.append(points(mine, names, f"{say('readers')}, {say(arm)}", "x", arm))
    shape = layout(
        title,
        220 + 44 * len({row["group"] for row in shown}),
        xaxis=share_axis(say("accuracy")),
        yaxis=axis(autorange="reversed", type="category"),
    )
    return {"data": traces, "layout": shape}
