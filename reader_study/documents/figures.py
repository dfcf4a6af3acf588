"""Figures of a report as Plotly's own structure, drawn by the script that the HTML file carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reader_study.documents.tables import diagnosis

Figure = dict[str, Any]
_BLUE, _ORANGE, _INK, _GREY = "#0072b2", "#d55e00", "#1b2430", "#5b6675"  # Okabe and Ito 2008
_COLOURS = {"unaided": _BLUE, "aided": _ORANGE}
_SYMBOLS = {"unaided": "circle", "aided": "diamond"}


def figures_of(report: Mapping[str, Any]) -> dict[str, Figure]:
    """Every figure that the report has numbers for: forest, curve over k, slope, diseases."""
    figures = {
        "forest": _forest(report),
        "curve": _curve(report),
        "slope": _slope(report),
        "diseases": _diseases(report),
    }
    return {name: figure for name, figure in figures.items() if figure["data"]}


def _forest(report: Mapping[str, Any]) -> Figure:
    """Each reader's Top-1 accuracy with its interval, the model as a line."""
    traces = []
    rows = [row for row in report["readers"] if row["metric"] == "top1" and row["n"]]
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        traces.append(_points(mine, [row["reader_id"] for row in mine], arm, "x"))
    layout = _layout(
        "Top-1 accuracy of each reader, 95 % intervals", 160 + 26 * len({r["reader_id"] for r in rows})
    )
    layout["xaxis"] = {"title": {"text": "Top-1 accuracy"}, "range": [0, 1]}
    layout["yaxis"] = {"autorange": "reversed", "type": "category"}
    layout["scattermode"] = "group"
    if "top1" in report["model"]:
        level = report["model"]["top1"]["accuracy"]
        line = {"type": "line", "x0": level, "x1": level, "y0": 0, "y1": 1, "yref": "paper"}
        layout["shapes"] = [line | {"line": {"color": _INK, "dash": "dash"}}]
        layout["annotations"] = [
            {"x": level, "y": 1, "yref": "paper", "yanchor": "bottom", "text": "model", "showarrow": False}
        ]
    return {"data": traces, "layout": layout}


def _curve(report: Mapping[str, Any]) -> Figure:
    """Mean accuracy of readers by arm, and the model's, over k."""
    traces = [
        _points(
            list(metrics.values()),
            [name.removeprefix("top") for name in metrics],
            f"readers, {arm}",
            "y",
            arm,
        )
        | {"mode": "lines+markers"}
        for arm, metrics in report["arms"].items()
        if any(each["accuracy"] is not None for each in metrics.values())
    ]
    if report["model"]:
        names = [name.removeprefix("top") for name in report["model"]]
        model = _points(list(report["model"].values()), names, "model", "y")
        marker = {"color": _INK, "symbol": "square", "size": 10}
        traces.append(
            model | {"mode": "lines+markers", "marker": marker, "line": {"color": _INK, "dash": "dash"}}
        )
    layout = _layout("Top-k accuracy", 420)
    layout["xaxis"] = {"title": {"text": "k"}, "type": "category"}
    layout["yaxis"] = {"title": {"text": "accuracy"}, "range": [0, 1]}
    return {"data": traces, "layout": layout}


def _slope(report: Mapping[str, Any]) -> Figure:
    """Each reader unaided to aided; readers who lost are dashed and marked."""
    found: dict[str, dict[str, float]] = {}
    for row in report["readers"]:
        if row["metric"] == "top1" and row["n"]:
            found.setdefault(row["reader_id"], {})[row["arm"]] = row["accuracy"]
    traces = []
    for reader, arms in found.items():
        if set(arms) != {"unaided", "aided"}:
            continue
        harmed = arms["aided"] < arms["unaided"]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"{reader} (worse with help)" if harmed else reader,
                "x": ["unaided", "aided"],
                "y": [arms["unaided"], arms["aided"]],
                "line": {"color": _ORANGE if harmed else _BLUE, "dash": "dash" if harmed else "solid"},
                "marker": {"symbol": "x" if harmed else "circle", "size": 9},
                "showlegend": harmed,
            }
        )
    layout = _layout("Top-1 accuracy of each reader, unaided to aided", 460)
    layout["yaxis"] = {"title": {"text": "Top-1 accuracy"}, "range": [0, 1]}
    return {"data": traces, "layout": layout}


def _diseases(report: Mapping[str, Any]) -> Figure:
    """Top-1 accuracy by disease: readers by arm, and the model, in a heat map with its numbers written in."""
    rows = [r for r in report["subgroups"] if r["by"] == "disease" and r["metric"] == "top1"]
    rows = [row for row in rows if row["accuracy"] is not None]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    diseases = sorted({row["group"] for row in rows})
    cells = {(row["group"], row["arm"]): row["accuracy"] for row in rows}
    columns = [f"readers, {arm}" for arm in arms]
    if report["model"]:
        columns.append("model")
        cells |= {(row["group"], "model"): row["model"]["accuracy"] for row in rows}
    keys = [*arms, "model"][: len(columns)]
    values = [[cells.get((disease, key)) for key in keys] for disease in diseases]
    heat = {
        "type": "heatmap",
        "x": columns,
        "y": [diagnosis(disease) for disease in diseases],
        "z": values,
        "zmin": 0,
        "zmax": 1,
        "colorscale": "Cividis",
        "texttemplate": "%{z:.2f}",
        "xgap": 2,
        "ygap": 2,
    }
    layout = _layout("Top-1 accuracy by disease", 160 + 26 * len(diseases))
    layout["yaxis"] = {"autorange": "reversed", "automargin": True}
    return {"data": [heat] if diseases else [], "layout": layout}


def _points(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], title: str, values: str, arm: str = ""
) -> Figure:
    """Accuracies with intervals along one axis, names along the other."""
    arm = arm or title
    numbers = [row["accuracy"] for row in rows]
    ends = [row["ci"] or (row["accuracy"], row["accuracy"]) for row in rows]
    pairs = [
        (value, low, high) for value, (low, high) in zip(numbers, ends, strict=True) if value is not None
    ]
    errors = {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, _, high in pairs],
        "arrayminus": [value - low for value, low, _ in pairs],
    }
    shown = [name for name, value in zip(names, numbers, strict=True) if value is not None]
    other = "y" if values == "x" else "x"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": title,
        values: [value for value, _, _ in pairs],
        other: shown,
        f"error_{values}": errors,
        "marker": {"color": _COLOURS.get(arm, _GREY), "symbol": _SYMBOLS.get(arm, "circle"), "size": 10},
    }


def _layout(title: str, height: int) -> dict[str, Any]:
    return {
        "title": {"text": title, "font": {"size": 16}},
        "height": height,
        "font": {"color": _INK},
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "#fff",
        "legend": {"orientation": "h", "y": -0.18},
        "margin": {"l": 80, "r": 20, "t": 60, "b": 60},
    }
