"""What help changes: differences in groups of cases and readers, and readings that moved."""

from __future__ import annotations

from reader_study.documents.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PATTERN,
    Document,
    Figure,
    Say,
    axis,
    disease,
    layout,
    points,
)

MOVES = (
    ("wrong_to_right", "wrong to right", GREEN, "/"),
    ("right_to_wrong", "right to wrong", ORANGE, "x"),
    ("stay_right", "right both times", BLUE, ""),
    ("stay_wrong", "wrong both times", GREY, "."),
)


def effects(report: Document, metric: str, say: Say) -> Figure:
    """Aided minus unaided, Top-1, over all cases and in each group, with intervals over readers and cases."""
    whole = report["aided_vs_unaided"].get("top1", {"difference": None, "ci": None})
    rows, names = [whole], [say("all readings")]
    for row in report["effects"]:
        if row["by"] != "disease":
            rows.append(row)
            names.append(f"{say(row['by'])}: {say(row['group'])}")
    trace = points(rows, names, say("aided minus unaided"), "x", "aided", "difference")
    found = layout(
        say("Top-1, effect of help: aided minus unaided, 95 % intervals"),
        210 + 34 * len(names),
        xaxis=axis(say("difference in accuracy"), tickformat="+.0%", zeroline=True, zerolinewidth=2),
        yaxis=axis(autorange="reversed", type="category"),
        showlegend=False,
    )
    return {"data": [trace] if trace["x"] else [], "layout": found}


def diseases_helped(report: Document, metric: str, say: Say) -> Figure:
    """Aided minus unaided, Top-1, in each disease that has enough cases."""
    rows = [row for row in report["effects"] if row["by"] == "disease" and row["difference"] is not None]
    rows.sort(key=lambda row: row["difference"])
    names = [disease(row["group"], say) for row in rows]
    trace = points(rows, names, say("aided minus unaided"), "x", "aided", "difference")
    found = layout(
        say("Top-1, effect of help by disease"),
        200 + 34 * len(names),
        xaxis=axis(say("difference in accuracy"), tickformat="+.0%", zeroline=True, zerolinewidth=2),
        yaxis=axis(type="category"),
        showlegend=False,
    )
    return {"data": [trace] if trace["x"] else [], "layout": found}


def moves(report: Document, metric: str, say: Say) -> Figure:
    """Pairs of readings that went right or wrong with help: all, rare diseases, common diseases."""
    found = report["reclassification"]
    parts = {"all readings": found["top1"], **found["by_rarity"]}
    shown = {name: part for name, part in parts.items() if sum(part.get(key, 0) for key, *_ in MOVES)}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": say(words),
            "y": [say(name) for name in shown],
            "x": [part[key] for part in shown.values()],
            "text": [str(part[key]) for part in shown.values()],
            "marker": {"color": colour, "pattern": {"shape": pattern, **PATTERN}},
            "hovertemplate": "%{y}: %{x}<extra>" + say(words) + "</extra>",
        }
        for key, words, colour, pattern in MOVES
    ]
    shape = layout(
        say("Top-1, pairs of readings that help moved"),
        260 + 40 * len(shown),
        barmode="stack",
        xaxis=axis(say("pairs of readings")),
        yaxis=axis(autorange="reversed", type="category"),
    )
    return {"data": traces if shown else [], "layout": shape}
