"""Fundus diseases as data: lookup, label sets and prompts. Imports neither torch nor the web."""

from retizero.knowledge.catalogue import AcceptanceRule, Catalogue, load_catalogue
from retizero.knowledge.entries import Disease, LookAlike, Sign
from retizero.knowledge.errors import (
    CatalogueError,
    KnowledgeError,
    LabelError,
    PromptError,
    ReviewError,
    UnknownDisease,
    UnknownLabelSet,
)
from retizero.knowledge.label_sets import (
    LabelSet,
    label_set,
    label_sets,
    nested_pairs,
    one_label,
    parse_labels,
)
from retizero.knowledge.prompts import DEFAULT_TEMPLATE, STYLES, Style, prompts
from retizero.knowledge.resolve import Resolution

__all__ = [
    "DEFAULT_TEMPLATE",
    "STYLES",
    "AcceptanceRule",
    "Catalogue",
    "CatalogueError",
    "Disease",
    "KnowledgeError",
    "LabelError",
    "LabelSet",
    "LookAlike",
    "PromptError",
    "Resolution",
    "ReviewError",
    "Sign",
    "Style",
    "UnknownDisease",
    "UnknownLabelSet",
    "label_set",
    "label_sets",
    "load_catalogue",
    "nested_pairs",
    "one_label",
    "parse_labels",
    "prompts",
]
