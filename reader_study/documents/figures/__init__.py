"""Figures of a report as Plotly's own structure: for the report's file and for the dashboards alike."""

from __future__ import annotations

from collections.abc import Callable

from reader_study.documents.figures import accuracy, behaviour, diseases, groups, help, progress
from reader_study.documents.figures.canvas import Document, Figure, Say, english, table_of

Draw = Callable[[Document, str, Say], Figure]

SECTIONS: dict[str, dict[str, Draw]] = {
    "overview": {"forest": accuracy.forest, "curve": accuracy.curve},
    "help": {
        "slope": accuracy.slope,
        "effects": help.effects,
        "moves": help.moves,
        "diseases_helped": help.diseases_helped,
    },
    "diseases": {
        "rarity": groups.rarity,
        "diseases": diseases.diseases,
        "reader_by_disease": diseases.readers,
        "confusion": diseases.confusion,
    },
    "groups": {"sites": groups.sites, "experience": groups.experience},
    "behaviour": {
        "agreement": behaviour.agreement,
        "times": behaviour.times,
        "calibration": behaviour.calibration,
    },
    "progress": {"progress": progress.progress, "quality": progress.quality},
}
"""Figures by the section that shows them; each draws from the report's document, a metric and a language."""

HIDING = {"reader_by_disease": "reader_by_disease", "confusion": "confusion"}
"""Figures that a part of the report may withhold, with its reason."""


def figures_of(report: Document, metric: str = "top1", say: Say = english) -> dict[str, Figure]:
    """Every figure that the report has numbers for."""
    drawn = {
        name: draw(report, metric, say) for figures in SECTIONS.values() for name, draw in figures.items()
    }
    return {name: figure for name, figure in drawn.items() if figure["data"]}


__all__ = ["HIDING", "SECTIONS", "Document", "Figure", "Say", "english", "figures_of", "table_of"]
