"""The figures of a result as Plotly's JSON: plain values, drawn by whoever shows them.

Colours are the Okabe-Ito palette, told apart with every common form of colour blindness; lines also differ by
dash or marker. A table with the same numbers stands beside every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retizero.evaluation.tables import Code, Words, kind_of, label_name, measure_name, parts_of, report_words

Figure = dict[str, Any]

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#7f8a99"
_COLOURS = (BLUE, ORANGE, GREEN, "#cc79a7")
_MARKERS = ("circle", "square", "diamond", "cross")
_DASHES = ("solid", "dash", "dot", "dashdot")
INK = "#1b2430"
_LABEL_WIDTH = 34


def figures_of(report: Mapping[str, Any], words: Words | None = None, code: Code = "en") -> dict[str, Figure]:
    """Figures of a result by name; none for a leakage report, whose tables say it all."""
    words = words or report_words(code)
    kind = kind_of(report)
    if kind == "zero_shot":
        return {
            "measures": _measures(report, words),
            "reliability": _reliability(report, words),
            "selective": _selective(report, words),
            "per_label": _per_label(report, words, code),
        }
    if kind == "retrieval":
        return {"retrieval": _retrieval(report, words)}
    if kind == "comparison":
        return {"differences": _differences(report, words)}
    if kind == "explanation":
        return {name: _curves(report, words, name) for name in ("deletion", "insertion")}
    return {}


def _layout(title: str, height: int, **axes: Any) -> dict[str, Any]:  # noqa: ANN401 - Plotly's own structure
    font = {"family": "system-ui, 'Noto Sans CJK SC', sans-serif", "size": 14, "color": INK}
    return {
        "title": {"text": title, "font": {"size": 16}, "x": 0, "xanchor": "left"},
        "height": height,
        "font": font,
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 8, "r": 16, "t": 48, "b": 48},
        "legend": {"orientation": "h", "y": -0.25},
        **{
            name: {"automargin": True, "gridcolor": "#d7dde5", "zerolinecolor": "#d7dde5", **axis}
            for name, axis in axes.items()
        },
    }


def _errors(values: Sequence[float], intervals: Sequence[Any]) -> dict[str, Any]:
    ends = [each or (value, value) for value, each in zip(values, intervals, strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "thickness": 2,
        "width": 5,
        "array": [high - value for value, (_, high) in zip(values, ends, strict=True)],
        "arrayminus": [value - low for value, (low, _) in zip(values, ends, strict=True)],
    }


def _points(measures: Sequence[tuple[str, Mapping[str, Any]]], name: str, style: int = 0) -> dict[str, Any]:
    """Markers with intervals, one row for each named measure that has a value."""
    kept = [(label, each) for label, each in measures if each["value"] is not None]
    values = [each["value"] for _, each in kept]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": values,
        "y": [wrapped(label) for label, _ in kept],
        "error_x": _errors(values, [each["ci"] for _, each in kept]) | {"color": _COLOURS[style]},
        "marker": {"size": 11, "color": _COLOURS[style], "symbol": _MARKERS[style]},
        "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
    }


def _measures(report: Mapping[str, Any], words: Words) -> Figure:
    measures = [(words("top", k=k), each) for k, each in report["top_k"].items()]
    measures += [(words(name), report[name]) for name in ("macro_auc", "macro_ap", "balanced_accuracy")]
    chance = [*report["chance"]["top_k"].values()]
    chance += [report["chance"][name] for name in ("macro_auc", "macro_ap", "balanced_accuracy")]
    by_chance = [
        (label, {"value": level, "ci": None}) for (label, _), level in zip(measures, chance, strict=True)
    ]
    guessing = _points(by_chance, words("chance"), 1) | {"error_x": {"visible": False}}
    guessing["marker"] = {"size": 12, "color": GREY, "symbol": "line-ns-open", "line": {"width": 3}}
    layout = _layout(
        words("figure_measures"),
        150 + 42 * len(measures),
        xaxis={"range": [0, 1.02]},
        yaxis={"autorange": "reversed"},
    )
    return {"data": [_points(measures, words("this_model")), guessing], "layout": layout}


def _curves(report: Mapping[str, Any], words: Words, kind: str) -> Figure:
    curves = report["curves"]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": words(name),
            "x": curves["share"],
            "y": values,
            "line": {"color": _COLOURS[style], "dash": _DASHES[style]},
            "marker": {"symbol": _MARKERS[style], "size": 8},
        }
        for style, (name, values) in enumerate(curves[kind].items())
    ]
    title = words("figure_curves", kind=words(kind))
    axes = {
        "xaxis": {"title": {"text": words("share_changed")}, "tickformat": ".0%"},
        "yaxis": {"range": [0, 1]},
    }
    return {"data": data, "layout": _layout(title, 420, **axes)}


def _reliability(report: Mapping[str, Any], words: Words) -> Figure:
    rows = report["reliability"]
    most = max(row["n"] for row in rows)
    line = {"color": GREY, "dash": "dash"}
    perfect = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "line": line}
    found = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": words("this_model"),
        "x": [row["confidence"] for row in rows],
        "y": [row["accuracy"] for row in rows],
        "line": {"color": BLUE},
        "marker": {"color": BLUE, "size": [7 + 15 * (row["n"] / most) ** 0.5 for row in rows]},
        "customdata": [row["n"] for row in rows],
        "hovertemplate": "%{x:.2f}: %{y:.2f}, n = %{customdata}<extra></extra>",
    }
    layout = _layout(
        words("figure_reliability"),
        430,
        xaxis={"title": {"text": words("confidence")}, "range": [0, 1.03]},
        yaxis={"title": {"text": words("accuracy")}, "range": [0, 1.03]},
    )
    return {"data": [perfect | {"name": words("perfect")}, found], "layout": layout}


def _selective(report: Mapping[str, Any], words: Words) -> Figure:
    curves = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": words(by),
            "x": measures["curve"]["coverage"],
            "y": measures["curve"]["risk"],
            "line": {"color": _COLOURS[style], "dash": _DASHES[style], "width": 2.5},
            "hovertemplate": "%{x:.0%}: %{y:.1%}<extra></extra>",
        }
        for style, (by, measures) in enumerate(report["selective"].items())
    ]
    layout = _layout(
        words("figure_selective"),
        430,
        xaxis={"title": {"text": words("coverage")}, "range": [0, 1.02], "tickformat": ".0%"},
        yaxis={"title": {"text": words("risk")}, "rangemode": "tozero", "tickformat": ".0%"},
    )
    return {"data": curves, "layout": layout}


def _per_label(report: Mapping[str, Any], words: Words, code: Code) -> Figure:
    k = max(report["top_k"], key=int)
    rows = sorted(report["per_label"], key=lambda row: -row[f"top{k}"])
    measures = [
        (
            f"{label_name(row['id'], code)} ({row['n']})",
            {"value": row[f"top{k}"], "ci": row[f"top{k}_ci"]},
        )
        for row in rows
    ]
    layout = _layout(
        words("figure_per_label", k=k),
        120 + 30 * len(rows),
        xaxis={"range": [-0.02, 1.02]},
        yaxis={"autorange": "reversed", "tickfont": {"size": 12}},
    )
    return {"data": [_points(measures, "")], "layout": layout | {"showlegend": False}}


def _retrieval(report: Mapping[str, Any], words: Words) -> Figure:
    lines = []
    for style, (name, part) in enumerate(parts_of(report).items()):
        for place, measure in enumerate(("hit_at", "precision_at")):
            values = [each["value"] for each in part[measure].values()]
            intervals = [each["ci"] for each in part[measure].values()]
            lines.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": f"{words(measure, k='k')}, {name}",
                    "x": [f"k = {k}" for k in part[measure]],
                    "y": values,
                    "error_y": _errors(values, intervals) | {"color": _COLOURS[style % 4]},
                    "line": {"color": _COLOURS[style % 4], "dash": _DASHES[place]},
                    "marker": {"size": 10, "symbol": _MARKERS[place]},
                }
            )
    layout = _layout(
        words("figure_retrieval"),
        460,
        xaxis={"title": {"text": words("rank")}, "type": "category"},
        yaxis={"range": [0, 1.02]},
    )
    return {"data": lines, "layout": layout}


def _differences(report: Mapping[str, Any], words: Words) -> Figure:
    measures = [(measure_name(key, words), row) for key, row in report["differences"].items()]
    zero = {
        "type": "line",
        "x0": 0,
        "x1": 0,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": GREY, "dash": "dash"},
    }
    layout = _layout(
        words("figure_differences"),
        130 + 42 * len(measures),
        xaxis={"title": {"text": words("difference")}},
        yaxis={"autorange": "reversed"},
    )
    return {
        "data": [_points(measures, words("difference"))],
        "layout": layout | {"shapes": [zero], "showlegend": False},
    }


def wrapped(text: str) -> str:
    """Break a label at spaces into lines that leave a narrow screen room for the figure."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= _LABEL_WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)
