"""The calibration plot of the model card as an SVG picture that shows in any reader of Markdown.

A table with the same numbers stands beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from statsmodels.stats.proportion import proportion_confint

from retizero.evaluation.figures import BLUE, GREY, INK

SIDE, LEFT, TOP, RIGHT, BOTTOM = 320, 64, 16, 16, 56
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
DESCRIPTION = (
    "Share of first answers that are right against their mean probability, one point for each range of "
    "probability, larger with more images, with 95 % Wilson intervals; on the dashed diagonal both are equal."
)


def calibration_plot(bins: Sequence[Mapping[str, Any]]) -> str:
    """Draw a reliability diagram.

    Args:
        bins: ``n``, ``confidence`` and ``accuracy`` of each, as ``reliability`` of a zero-shot report.

    Returns:
        The text of an SVG file.
    """
    most = max((each["n"] for each in bins), default=1)
    parts = [_line(0, 0, 1, 1, GREY, ' stroke-dasharray="6 5"')]
    for tick in TICKS:
        parts.append(_line(tick, 0, tick, -0.015, INK))
        parts.append(_line(0, tick, -0.015, tick, INK))
        parts.append(_text(_x(tick), _y(0) + 22, f"{tick:.1f}", "middle"))
        parts.append(_text(_x(0) - 10, _y(tick) + 5, f"{tick:.1f}", "end"))
    for each in (one for one in bins if one["n"]):
        low, high = proportion_confint(round(each["accuracy"] * each["n"]), each["n"], method="wilson")
        at, radius = each["confidence"], 3 + 5 * (each["n"] / most) ** 0.5
        parts.append(_line(at, low, at, high, BLUE, ' stroke-width="2"'))
        parts.append(
            f'<circle cx="{_x(at):.1f}" cy="{_y(each["accuracy"]):.1f}" r="{radius:.1f}" fill="{BLUE}"/>'
        )
    middle, bottom = LEFT + SIDE / 2, TOP + SIDE + BOTTOM - 10
    parts.append(_text(middle, bottom, "mean probability of the first answer", "middle"))
    turned = f' transform="rotate(-90 16 {TOP + SIDE / 2})"'
    parts.append(_text(16, TOP + SIDE / 2, "share that is right", "middle", turned))
    width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-labelledby="title description" '
            'font-family="system-ui, sans-serif" font-size="14">',
            '<title id="title">Calibration plot</title>',
            f'<desc id="description">{escape(DESCRIPTION)}</desc>',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{GREY}"/>',
            *parts,
            "</svg>",
            "",
        )
    )


def _x(share: float) -> float:
    return LEFT + SIDE * share


def _y(share: float) -> float:
    return TOP + SIDE * (1 - share)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    ends = f'x1="{_x(x1):.1f}" y1="{_y(y1):.1f}" x2="{_x(x2):.1f}" y2="{_y(y2):.1f}"'
    return f'<line {ends} stroke="{colour}"{more}/>'


def _text(x: float, y: float, words: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}"{more}>{escape(words)}</text>'
