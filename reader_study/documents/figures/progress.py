"""How far the study is and what its readings lack; nothing here says who was right."""

from __future__ import annotations

from reader_study.documents.figures.canvas import (
    BLUE,
    GREY,
    ORANGE,
    PATTERN,
    YELLOW,
    Document,
    Figure,
    Say,
    axis,
    layout,
)

LACKS = (
    ("unresolved", "free text that waits for adjudication", ORANGE, "/"),
    ("without_confidence", "without confidence", YELLOW, "x"),
    ("without_time", "without a time", BLUE, "."),
)


def progress(report: Document, metric: str, say: Say) -> Figure:
    """Readings done and missing of each reader."""
    rows = report["quality"]
    names = [f"{row['reader_id']} ({row['site']})" if row["site"] else row["reader_id"] for row in rows]
    parts = (("readings", "done", BLUE, ""), ("missing", "missing", GREY, "/"))
    return _bars(rows, names, parts, say("Study progress: readings of each reader"), say)


def quality(report: Document, metric: str, say: Say) -> Figure:
    """What each reader's readings lack."""
    rows = report["quality"]
    names = [row["reader_id"] for row in rows]
    return _bars(rows, names, LACKS, say("Data quality: readings that lack something"), say)


def _bars(
    rows: list[dict[str, int]],
    names: list[str],
    parts: tuple[tuple[str, str, str, str], ...],
    title: str,
    say: Say,
) -> Figure:
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": say(words),
            "y": names,
            "x": [row[key] for row in rows],
            "marker": {"color": colour, "pattern": {"shape": pattern, **PATTERN}},
            "hovertemplate": "%{y}: %{x}<extra>" + say(words) + "</extra>",
        }
        for key, words, colour, pattern in parts
    ]
    shape = layout(
        title,
        210 + 26 * len(rows),
        barmode="stack",
        xaxis=axis(say("readings"), rangemode="tozero"),
        yaxis=axis(autorange="reversed", type="category"),
    )
    return {"data": traces if rows else [], "layout": shape}
