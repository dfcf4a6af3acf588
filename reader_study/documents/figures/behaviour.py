"""How readers agree, how long they take, and how well their confidence is founded."""

from __future__ import annotations

from reader_study.documents.figures.canvas import (
    COLOURS,
    INK,
    SYMBOLS,
    Document,
    Figure,
    Say,
    axis,
    layout,
    points,
    share_axis,
)
from reader_study.documents.tables import COEFFICIENTS


def agreement(report: Document, metric: str, say: Say) -> Figure:
    """Coefficients of agreement on the first diagnosis, by arm."""
    traces = []
    for arm, found in report["agreement"].items():
        rows = [found[name] for name in COEFFICIENTS if name in found]
        names = [say(words) for name, words in COEFFICIENTS.items() if name in found]
        traces.append(points(rows, names, say(arm), "x", arm, "value"))
    shape = layout(
        say("Agreement between readers on the first diagnosis, 95 % intervals"),
        420,
        xaxis=axis(say("coefficient"), range=[-0.1, 1.02]),
        yaxis=axis(autorange="reversed", type="category"),
    )
    return {"data": [trace for trace in traces if trace["x"]], "layout": shape}


def times(report: Document, metric: str, say: Say) -> Figure:
    """Median seconds of each reader with quartiles, by arm."""
    rows = [row | {"ci": (row["low"], row["high"])} for row in report["times"]]
    traces = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        trace = points(mine, [row["reader_id"] for row in mine], say(arm), "x", arm, "median")
        traces.append(trace | {"hovertemplate": "%{y}: %{x:.1f} s<extra>" + say(arm) + "</extra>"})
    shape = layout(
        say("Seconds per case of each reader: median and quartiles"),
        220 + 28 * len({row["reader_id"] for row in rows}),
        xaxis=axis(say("seconds"), rangemode="tozero"),
        yaxis=axis(autorange="reversed", type="category"),
    )
    return {"data": traces, "layout": shape}


def calibration(report: Document, metric: str, say: Say) -> Figure:
    """Share of right first diagnoses at each level of confidence, by arm."""
    traces = []
    for arm in dict.fromkeys(row["arm"] for row in report["calibration"]):
        mine = [row for row in report["calibration"] if row["arm"] == arm]
        names = [str(row["confidence"]) for row in mine]
        line = {"color": COLOURS.get(arm, INK), "dash": "dash" if SYMBOLS.get(arm) == "diamond" else "solid"}
        trace = points(mine, names, say(arm), "y", arm)
        traces.append(trace | {"mode": "lines+markers", "line": line})
    shape = layout(
        say("Share of right first diagnoses at each level of confidence"),
        460,
        xaxis=axis(say("confidence"), type="category", categoryorder="category ascending"),
        yaxis=share_axis(say("right at rank 1")),
    )
    return {"data": traces, "layout": shape}
