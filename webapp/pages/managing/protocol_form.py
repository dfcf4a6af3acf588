"""The protocol of a new study as a form, and what it sends as the keys of STUDY.yaml."""

from collections.abc import Iterable
from html import escape
from typing import Any

from retizero.knowledge import label_set, label_sets
from webapp import forms
from webapp.language import Language

DESIGNS = ("single", "sequential", "crossover", "split_plot")
STRATA = ("rare", "site", "disease")
ARMS = ("unaided", "aided")
WORDS = ("name", "title", "protocol_version", "label_set", "design", "rule", "truths", "reference", "readers")
NUMBERS = ("k", "confidence_levels", "wash_out_days", "repeats", "blocks", "time_limit_seconds", "seed")
TICKS = ("free_text", "corrections", "findings", "profile", "synthetic")
USUAL = {"protocol_version": "1", "label_set": "broad52", "k": "5", "confidence_levels": "5", "repeats": "0",
         "readers": "invited", "unaided": "1", "free_text": "1", "profile": "1"}  # fmt: skip


def protocol_values(given: dict[str, str]) -> dict[str, Any]:
    """Turn the fields of the form into the keys of STUDY.yaml; what was left empty is left out."""
    content: dict[str, Any] = {key: given[key].strip() for key in WORDS if given.get(key, "").strip()}
    for key in NUMBERS:
        if text := given.get(key, "").strip():
            content[key] = int(text) if text.lstrip("-").isdigit() else text
    for key in TICKS:
        content[key] = given.get(key) == "1"
    if arms := [arm for arm in ARMS if given.get(arm) == "1"]:
        content["arms"] = arms
    if strata := [stratum for stratum in STRATA if given.get(f"by_{stratum}") == "1"]:
        content["stratify_by"] = strata
    if consent := given.get("consent", "").replace("\r\n", "\n").strip():
        content["consent"] = consent
    return content


class ProtocolForm:
    """The fields, filled with what was sent before, or with what is usual.

    Args:
        words: of the page.
        given: fields as they were sent; empty on a first visit.
    """

    def __init__(self, words: Language, given: dict[str, str]) -> None:
        self.words = words
        self.given = given or USUAL

    def design(self) -> str:
        """Return the part on design, arms and allocation."""
        sets = [(name, f"{name} ({len(label_set(name).ids)})") for name in label_sets()]
        return section(
            self.words("manage.protocol"),
            self._text("title", "study_title", "required maxlength=200"),
            self._text("name", "name", "required maxlength=64", help="name_help"),
            self._text("protocol_version", "version"),
            self._choice("design", "design", DESIGNS, "design_"),
            self._ticks((arm, f"arm_{arm}") for arm in ARMS),
            forms.choice("label_set", self.words("manage.label_set"), sets, value=self._value("label_set")),
            self._number("wash_out_days", "wash_out", 0, help="wash_out_help"),
            self._number("blocks", "blocks", 1),
            self._number("repeats", "repeats", 0),
            self._number("seed", "seed", 0, help="seed_help"),
            self._ticks((f"by_{stratum}", f"by_{stratum}") for stratum in STRATA),
        )

    def reading(self) -> str:
        """Return the part on what readers are asked and how answers are matched."""
        return section(
            self.words("manage.reading_rules"),
            self._number("k", "k", 1, 20),
            self._number("confidence_levels", "levels", 2, 101),
            self._number("time_limit_seconds", "time_limit", 1),
            self._choice("readers", "readers", ("all", "invited"), "readers_"),
            self._choice("reference", "reference", ("import", "panel"), "reference_"),
            self._choice("rule", "rule", ("same", "child", "parent", "either"), "rule_"),
            self._choice("truths", "truths", ("any", "all", "primary"), "truths_"),
            self._ticks((name, name) for name in TICKS),
            forms.area(
                "consent",
                self.words("manage.consent"),
                value=self._value("consent"),
                help=self.words("manage.consent_help"),
            ),
        )

    def _value(self, name: str) -> str:
        return self.given.get(name, "")

    def _text(self, name: str, label: str, more: str = "", *, kind: str = "text", help: str = "") -> str:
        told = self.words(f"manage.{help}") if help else ""
        said = self.words(f"manage.{label}")
        return forms.text(name, said, value=self._value(name), kind=kind, help=told, more=more)

    def _number(self, name: str, label: str, low: int, high: int | None = None, *, help: str = "") -> str:
        more = f"min={low}" + (f" max={high}" if high is not None else "")
        return self._text(name, label, more, kind="number", help=help)

    def _choice(self, name: str, label: str, options: Iterable[str], prefix: str) -> str:
        shown = [(option, self.words(f"manage.{prefix}{option}")) for option in options]
        return forms.choice(name, self.words(f"manage.{label}"), shown, value=self._value(name))

    def _ticks(self, boxes: Iterable[tuple[str, str]]) -> str:
        made = [
            forms.tick(name, self.words(f"manage.{word}"), value=name in self.given) for name, word in boxes
        ]
        return f'<div class="rz-ticks">{"".join(made)}</div>'


def section(title: str, *parts: str) -> str:
    """Return a part of a form under a heading."""
    return f"<fieldset><legend>{escape(title)}</legend>{''.join(parts)}</fieldset>"
