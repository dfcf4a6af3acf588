"""What every figure shares: layout, fonts and labels that fit a narrow screen."""

import unicodedata

from webapp import theme

LAYOUT = {
    "template": "plotly_white",
    "font": {"family": ", ".join(theme.FONTS), "size": 14, "color": theme.INK},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 8, "r": 16, "t": 48, "b": 40},
    "hoverlabel": {"font": {"size": 14}},
    "modebar": {"orientation": "v"},
}


def wrap(text: str, width: int = 22) -> str:
    """Break a label at spaces to leave room for the bars on a narrow screen; a Chinese sign counts twice."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and _columns(f"{lines[-1]} {word}") > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
