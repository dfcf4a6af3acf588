"""The choice of a diagnosis by typing: what is offered, and that a name typed in full is taken as typed.

On Enter, Gradio's dropdown takes the first choice that contains what was typed. Shorter names come first, so
that a name in full finds itself; a synonym or an abbreviation may still be part of another entry's name ("RD"
of "hard drusen"). The browser is told those, and hands them over as typed, for the catalogue to resolve.
"""

from __future__ import annotations

import json
from functools import cache

from retizero.knowledge import load_catalogue
from webapp.language import Code, Language

# Leaving the box hands over what was typed. Who went to a choice with the arrow keys means that choice.
_ENTER = """() => {
  const asTyped = new Set(%s);
  let walked = false;
  window.addEventListener("keydown", (event) => {
    if (!event.target.closest?.("#rz-teach-name")) return;
    if (event.key !== "Enter") {
      walked = ["ArrowUp", "ArrowDown", "Home", "End"].includes(event.key);
      return;
    }
    const text = event.target.value.trim().replace(/\\s+/g, " ").toLowerCase();
    if (walked || event.isComposing || !asTyped.has(text)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    event.target.blur();
  }, true);
}"""


@cache
def diagnoses(code: Code) -> tuple[tuple[str, str], ...]:
    """Label and id of every entry of the catalogue; a name comes before all names that contain it."""
    words = Language(code)
    shown = []
    for disease in load_catalogue().diseases:
        name = words.name_of(disease.name[:1].upper() + disease.name[1:], disease.name_zh)
        own = disease.name_zh if code == "zh" else name
        label = " · ".join((name, *disease.abbreviations[:1]))
        shown.append(((len(name), len(own), label), (label, disease.id)))
    return tuple(choice for _, choice in sorted(shown))


@cache
def as_typed(code: Code) -> tuple[str, ...]:
    """Names, synonyms and abbreviations (lower case) for which the first choice found is another entry's."""
    choices = [(label.lower(), id) for label, id in diagnoses(code)]
    meant: dict[str, set[str]] = {}
    for disease in load_catalogue().diseases:
        terms = (disease.name, disease.name_zh, *disease.synonyms, *disease.synonyms_zh)
        for term in (*terms, *disease.abbreviations):
            meant.setdefault(" ".join(term.lower().split()), set()).add(disease.id)
    found = {term: next((id for label, id in choices if term in label), None) for term in meant}
    return tuple(sorted(term for term, id in found.items() if id is not None and id not in meant[term]))


def enter(code: Code) -> str:
    """Return the script that the page runs once."""
    return _ENTER % json.dumps(as_typed(code), ensure_ascii=False)
