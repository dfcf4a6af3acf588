"""Colours and type of every page, in one place: a Gradio theme, the style sheet and the chart palette.

Categorical colours are the Okabe-Ito palette (Okabe & Ito 2008, "Color universal design"), told apart with
every common form of colour blindness; text on them and on the page meets WCAG AA contrast.
"""

from importlib import resources

import gradio as gr

INK = "#1b2430"
MUTED = "#53606f"
LINE = "#d7dde5"
PAPER = "#ffffff"
GROUND = "#f5f7fa"
ACCENT = "#0b5c8a"

MODEL = "#d55e00"
READERS = "#0072b2"
SIMULATED = "#7f8a99"
NEUTRAL = "#b9c2cd"

FONTS = [
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans CJK SC",
    "PingFang SC",
    "Microsoft YaHei",
    "sans-serif",
]


def theme() -> gr.themes.Base:
    """Return the Gradio theme: system fonts (nothing is fetched), one accent, light in both browser modes."""
    accent = gr.themes.Color(
        c50="#eef6fb", c100="#d6e9f5", c200="#aed3ea", c300="#7cb7da", c400="#4698c5", c500="#1f7cb0",
        c600=ACCENT, c700="#094b71", c800="#083c5a", c900="#072f47", c950="#051f30",
    )  # fmt: skip
    base = gr.themes.Base(
        primary_hue=accent,
        secondary_hue=accent,
        neutral_hue="slate",
        font=FONTS,
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
        radius_size="md",
    )
    return base.set(
        body_background_fill=GROUND,
        body_background_fill_dark=GROUND,
        body_text_color=INK,
        block_background_fill=PAPER,
        block_border_color=LINE,
        block_label_text_color=MUTED,
        block_info_text_color=MUTED,
        button_primary_background_fill=ACCENT,
        button_primary_background_fill_hover="#094b71",
        button_primary_text_color="#ffffff",
        input_border_color="#8794a3",
    )


def style_sheet() -> str:
    """Return the CSS that every page loads."""
    return resources.files("webapp").joinpath("static/studio.css").read_text(encoding="utf-8")


def script(name: str) -> str:
    """Return one of our own scripts from ``webapp/static``."""
    return resources.files("webapp").joinpath(f"static/{name}").read_text(encoding="utf-8")
