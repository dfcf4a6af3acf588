"""Diseases: who knows which, and what each is taken for."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from reader_study.documents.figures.canvas import Document, Figure, Say, axis, disease, layout
from reader_study.documents.tables import metric as metric_name

MOST_ANSWERS = 20


def diseases(report: Document, metric: str, say: Say) -> Figure:
    """Accuracy by disease: readers by arm, and the model."""
    rows = [r for r in report["subgroups"] if r["by"] == "disease" and r["metric"] == metric]
    rows = [row for row in rows if row["accuracy"] is not None]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    names = sorted({row["group"] for row in rows})
    cells = {(row["group"], row["arm"]): row["accuracy"] for row in rows}
    columns = [f"{say('readers')}, {say(arm)}" for arm in arms]
    if report["model"]:
        columns.append(say("model"))
        cells |= {(row["group"], "model"): row["model"]["accuracy"] for row in rows}
    keys = [*arms, "model"][: len(columns)]
    values = [[cells.get((name, key)) for key in keys] for name in names]
    title = f"{metric_name(metric)}: {say('accuracy by disease')}"
    return _heat(title, columns, [disease(name, say) for name in names], values, "%{z:.2f}")


def readers(report: Document, metric: str, say: Say) -> Figure:
    """Top-1 of each reader in each disease, unaided where there are two arms."""
    rows = report["reader_by_disease"]["rows"]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    arm = "unaided" if "unaided" in arms else next(iter(arms), "")
    cells = {(r["disease"], r["reader_id"]): r["x"] / r["n"] for r in rows if r["arm"] == arm}
    names = sorted({name for name, _ in cells})
    people = list(dict.fromkeys(row["reader_id"] for row in rows if row["arm"] == arm))
    values = [[cells.get((name, reader)) for reader in people] for name in names]
    title = f"{say('Top-1 of each reader in each disease')}, {say(arm)}"
    return _heat(title, people, [disease(name, say) for name in names], values, "")


def confusion(report: Document, metric: str, say: Say) -> Figure:
    """What each disease is taken for at rank 1, unaided; a star marks look-alikes of the catalogue."""
    rows = report["confusion"]["rows"]
    arms = [who for who in dict.fromkeys(row["who"] for row in rows) if who != "model"]
    arm = "unaided" if "unaided" in arms else next(iter(arms), "model")
    mine = [row for row in rows if row["who"] == arm]
    given: dict[str, int] = defaultdict(int)
    for row in mine:
        given[row["answer"]] += row["n"]
    truths = sorted({row["truth"] for row in mine})
    often = sorted(given, key=lambda answer: -given[answer])[:MOST_ANSWERS]
    answers = [*(name for name in truths if name in often), *(name for name in often if name not in truths)]
    shares = {(row["truth"], row["answer"]): row["share"] for row in mine}
    marked = {(row["truth"], row["answer"]) for row in mine if row["look_alike"]}
    values = [[shares.get((truth, answer)) for answer in answers] for truth in truths]
    title = f"{say('What each disease is taken for at rank 1 (* look-alike)')}, {say(arm)}"
    figure = _heat(
        title,
        [disease(name, say, 99) for name in answers],
        [disease(name, say) for name in truths],
        values,
        "",
    )
    if figure["data"]:
        figure["data"][0]["text"] = [
            ["*" if (truth, answer) in marked else "" for answer in answers] for truth in truths
        ]
        figure["data"][0]["texttemplate"] = "%{text}"
        figure["layout"]["xaxis"] = axis(say("answer"), tickangle=-60, tickfont={"size": 11})
        figure["layout"]["yaxis"] = axis(say("reference standard"), autorange="reversed")
        figure["layout"]["height"] += 240
    return figure


def _heat(title: str, columns: list[str], rows: list[str], values: list[list[Any]], text: str) -> Figure:
    trace = {
        "type": "heatmap",
        "x": columns,
        "y": rows,
        "z": values,
        "zmin": 0,
        "zmax": 1,
        "colorscale": "Cividis",
        "colorbar": {"tickformat": ".0%", "thickness": 14},
        "texttemplate": text,
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "%{y}, %{x}: %{z:.0%}<extra></extra>",
    }
    shape = layout(title, 220 + 32 * len(rows), yaxis=axis(autorange="reversed"))
    return {"data": [trace] if rows else [], "layout": shape}
