"""What every figure shares: colours for every eye, symbols, points with intervals, layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reader_study.documents.tables import Table
from retizero.knowledge import load_catalogue

Figure = dict[str, Any]
Document = Mapping[str, Any]
Say = Callable[[str], str]
"""Puts an English label into the language of the figure."""

BLUE, ORANGE, GREEN, SKY = "#0072b2", "#d55e00", "#009e73", "#56b4e9"  # Okabe and Ito 2008
YELLOW, INK, GREY = "#e69f00", "#1b2430", "#5b6675"
COLOURS = {"unaided": BLUE, "aided": ORANGE, "model": INK}
SYMBOLS = {"unaided": "circle", "aided": "diamond", "model": "square", "simulated": "circle-open"}


PATTERN = {"fillmode": "overlay", "fgcolor": "#fff", "size": 6}
"""Of bars, which are told apart without colour."""


def english(text: str) -> str:
    """The label as it is."""
    return text


def layout(title: str, height: int, **more: object) -> dict[str, Any]:
    """Return the layout of a figure with a title and its legend below; ``more`` adds or replaces entries."""
    return {
        "title": {"text": wrapped(title, 58), "font": {"size": 15}, "x": 0.02, "xanchor": "left"},
        "height": height,
        "font": {"color": INK, "size": 13},
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "#fff",
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        "margin": {"l": 20, "r": 20, "t": 70, "b": 90},
        "xaxis": {"automargin": True, "gridcolor": "#e4e9ef"},
        "yaxis": {"automargin": True, "gridcolor": "#e4e9ef"},
        "scattermode": "group",
        "scattergap": 0.5,
        "barmode": "group",
    } | more


def axis(title: str = "", **more: object) -> dict[str, Any]:
    """Return an axis that makes room for its own labels."""
    return {"title": {"text": title}, "automargin": True, "gridcolor": "#e4e9ef", **more}


def share_axis(title: str) -> dict[str, Any]:
    """Return an axis of proportions."""
    return axis(title, range=[-0.02, 1.02], tickformat=".0%")


def points(
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    title: str,
    along: str,
    kind: str,
    value: str = "accuracy",
) -> Figure:
    """Return values with intervals along one axis ("x" or "y"), names along the other; nulls left out."""
    kept = [(name, row) for name, row in zip(names, rows, strict=True) if row[value] is not None]
    ends = [row["ci"] or (row[value], row[value]) for _, row in kept]
    numbers = [row[value] for _, row in kept]
    other = "y" if along == "x" else "x"
    colour = COLOURS.get(kind, GREY)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": title,
        # Traces with the same names stand side by side across the names, never along the values.
        "orientation": "h" if along == "x" else "v",
        "offsetgroup": title,
        along: numbers,
        other: [name for name, _ in kept],
        f"error_{along}": {
            "type": "data",
            "symmetric": False,
            "array": [high - number for number, (_, high) in zip(numbers, ends, strict=True)],
            "arrayminus": [number - low for number, (low, _) in zip(numbers, ends, strict=True)],
            "thickness": 2,
            "width": 4,
        },
        "marker": {"color": colour, "symbol": SYMBOLS.get(kind, "triangle-up"), "size": 10},
        "hovertemplate": f"%{{{other}}}: %{{{along}:.1%}}<extra>{title}</extra>",
    }


def wrapped(text: str, width: int = 26) -> str:
    """Break a label at spaces so that a narrow screen keeps room for the data."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)


def disease(id: str, say: Say, width: int = 26) -> str:
    """What a diagnosis is called in the language; free text as it was written."""
    catalogue = load_catalogue()
    if id not in catalogue:
        return wrapped(id.replace("<", "‹"), width)
    entry = catalogue[id]
    return wrapped(entry.name_zh if say("reader") != "reader" and entry.name_zh else entry.name, width)


def table_of(figure: Figure, say: Say = english) -> Table:
    """Return the numbers that a figure shows, and no others, as a table."""
    title, heat = _plain(figure["layout"]["title"]["text"]), figure["data"][0]
    if heat["type"] == "heatmap":
        header = (say("row"), *(_plain(str(name)) for name in heat["x"]))
        rows = [
            (_plain(str(name)), *("" if value is None else f"{value:.3f}" for value in values))
            for name, values in zip(heat["y"], heat["z"], strict=True)
        ]
        return Table(title, header, tuple(rows), 1)
    found = []
    for trace in figure["data"]:
        along = "x" if trace.get("orientation") == "h" or "error_x" in trace else "y"
        names, numbers = trace["y" if along == "x" else "x"], trace[along]
        errors = trace.get(f"error_{along}", {})
        low, high = errors.get("arrayminus"), errors.get("array")
        for place, (name, number) in enumerate(zip(names, numbers, strict=True)):
            ends = ("", "")
            if low and high:
                ends = (_number(number - low[place]), _number(number + high[place]))
            found.append((_plain(str(name)), _plain(trace["name"]), _number(number), *ends))
    header = (say("item"), say("series"), say("value"), say("lower limit"), say("upper limit"))
    return Table(title, header, tuple(found), 2)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _plain(text: str) -> str:
    return text.replace("<br>", " ")
