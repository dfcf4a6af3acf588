"""Readers and model: who is right within k ranks, with intervals; and where help took each reader."""

from __future__ import annotations

from reader_study.documents.figures.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    Document,
    Figure,
    Say,
    axis,
    layout,
    points,
    share_axis,
)
from reader_study.documents.tables import metric as metric_name


def forest(report: Document, metric: str, say: Say) -> Figure:
    """Each reader's accuracy with its interval, the means of readers, and the model as a point and a line."""
    rows = [row for row in report["readers"] if row["metric"] == metric and row["n"]]
    traces = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        names = [row["reader_id"] for row in mine]
        mean = report["arms"].get(arm, {}).get(metric)
        if mean and mean["accuracy"] is not None:
            mine, names = [*mine, mean], [*names, say("mean of readers")]
        traces.append(points(mine, names, say(arm), "x", arm))
    simulated = [
        row for row in report.get("simulated", {}).get("readers", []) if row["metric"] == metric and row["n"]
    ]
    names = [f"{row['reader_id']} ({say('simulated')})" for row in simulated]
    traces.append(points(simulated, names, say("simulated"), "x", "simulated"))
    rows += simulated
    found = layout(
        f"{metric_name(metric)}: {say('accuracy of each reader and the model, 95 % intervals')}",
        230 + 28 * len({row["reader_id"] for row in rows}),
        xaxis=share_axis(say("accuracy")),
        yaxis=axis(autorange="reversed", type="category"),
    )
    model = report["model"].get(metric)
    if model and model["accuracy"] is not None:
        traces.append(points([model], [say("model")], say("model"), "x", "model"))
        line = {"type": "line", "x0": model["accuracy"], "x1": model["accuracy"], "y0": 0, "y1": 1}
        found["shapes"] = [line | {"yref": "paper", "line": {"color": INK, "dash": "dash", "width": 1.5}}]
    for trace in traces:  # rows that one trace has to itself stay in their middle
        if trace["name"] != say("aided"):
            trace["offsetgroup"] = "rows"
    return {"data": [trace for trace in traces if trace["x"]], "layout": found}


def curve(report: Document, metric: str, say: Say) -> Figure:
    """Mean accuracy of readers by arm, and the model's, over k."""
    traces = []
    for arm, metrics in report["arms"].items():
        names = [name.removeprefix("top") for name in metrics]
        line = points(list(metrics.values()), names, f"{say('readers')}, {say(arm)}", "y", arm)
        traces.append(line | {"mode": "lines+markers", "line": {"color": line["marker"]["color"]}})
    for arm, metrics in report.get("simulated", {}).get("arms", {}).items():
        names = [name.removeprefix("top") for name in metrics]
        line = points(list(metrics.values()), names, f"{say('simulated')}, {say(arm)}", "y", "simulated")
        traces.append(line | {"mode": "lines+markers", "line": {"color": GREY, "dash": "dot"}})
    if report["model"]:
        names = [name.removeprefix("top") for name in report["model"]]
        model = points(list(report["model"].values()), names, say("model"), "y", "model")
        traces.append(model | {"mode": "lines+markers", "line": {"color": INK, "dash": "dash"}})
    found = layout(
        say("Top-k accuracy"), 460, xaxis=axis("k", type="category"), yaxis=share_axis(say("accuracy"))
    )
    return {"data": [trace for trace in traces if trace["y"]], "layout": found}


def slope(report: Document, metric: str, say: Say) -> Figure:
    """Each reader unaided to aided; readers whom help harmed are dashed, crossed and named in the legend."""
    arms_of: dict[str, dict[str, float]] = {}
    for row in report["readers"]:
        if row["metric"] == metric and row["n"]:
            arms_of.setdefault(row["reader_id"], {})[row["arm"]] = row["accuracy"]
    traces = []
    for reader, arms in arms_of.items():
        if not {"unaided", "aided"} <= set(arms):
            continue
        harmed = arms["aided"] < arms["unaided"]
        colour = ORANGE if harmed else BLUE
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"{reader} ({say('worse with help')})" if harmed else reader,
                "x": [say("unaided"), say("aided")],
                "y": [arms["unaided"], arms["aided"]],
                "line": {"color": colour, "dash": "dash" if harmed else "solid"},
                "marker": {"symbol": "x" if harmed else "circle", "size": 9, "color": colour},
                "showlegend": harmed,
                "hovertemplate": "%{x}: %{y:.1%}<extra>" + reader + "</extra>",
            }
        )
    found = layout(
        f"{metric_name(metric)}: {say('each reader, unaided to aided')}",
        520,
        xaxis=axis(type="category", range=[-0.3, 1.3]),
        yaxis=share_axis(say("accuracy")),
        scattermode="overlay",
    )
    return {"data": traces, "layout": found}
