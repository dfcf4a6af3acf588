"""The model's answer to one photograph."""

from collections.abc import Sequence

import plotly.graph_objects as go

from webapp import theme
from webapp.figures.canvas import LAYOUT, wrap
from webapp.language import Language


def ranking(names: Sequence[str], probabilities: Sequence[float], words: Language) -> go.Figure:
    """Return a horizontal bar chart of ranked diagnoses, the likeliest on top.

    Args:
        names: diagnoses, best first.
        probabilities: their probabilities in [0, 1], same order.
        words: the language of titles.
    """
    text = [f"{p:.1%}" for p in probabilities]
    colours = [theme.MODEL if i == 0 else theme.NEUTRAL for i in range(len(names))]
    labels = [wrap(f"{i}. {name}") for i, name in enumerate(names, start=1)]
    lines = max((label.count("<br>") + 1 for label in labels), default=1)
    figure = go.Figure(
        go.Bar(
            x=list(probabilities),
            y=labels,
            orientation="h",
            text=text,
            textposition="outside",
            cliponaxis=False,
            marker_color=colours,
            hovertemplate="%{y}<br>%{text}<extra></extra>",
        )
    )
    figure.update_layout(
        **LAYOUT,
        title=words("demo.figure"),
        height=110 + max(46, 10 + 18 * lines) * len(names),
        xaxis={
            "title": {"text": words("demo.probability"), "font": {"size": 13}},
            "nticks": 4,
            "tickformat": ".0%",
            "rangemode": "tozero",
            "range": [0, min(1.15, max(probabilities, default=1.0) * 1.25 + 0.02)],
        },
        yaxis={"autorange": "reversed", "automargin": True},
        showlegend=False,
    )
    return figure
