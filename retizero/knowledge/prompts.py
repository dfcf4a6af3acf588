"""Texts for the text tower: how a label is put into words.

Every function returns new tuples; the catalogue is never changed. Texts are kept short enough for a tower
of 77 tokens.
"""

from typing import Literal, get_args

from retizero.knowledge.catalogue import Catalogue, load_catalogue
from retizero.knowledge.entries import Disease
from retizero.knowledge.errors import PromptError
from retizero.knowledge.label_sets import FREE

Style = Literal["template", "name", "findings", "descriptions", "ensemble"]
STYLES: tuple[str, ...] = get_args(Style)

DEFAULT_TEMPLATE = "A fundus photograph of {label}"  # the prompt of the RetiZero paper and release
MAX_SIGNS = 4
MAX_SYNONYMS = 2


def prompts(
    label: str,
    style: Style = "template",
    template: str = DEFAULT_TEMPLATE,
    *,
    name: str | None = None,
    catalogue: Catalogue | None = None,
) -> tuple[str, ...]:
    """The prompts of one label, at least one.

    Args:
        label: an id of the catalogue, an id ``free:<text>``, or free text.
        style: "template" puts the name into the template; "name" is the bare name; "findings" adds key signs;
            "descriptions" uses the visual descriptions; "ensemble" is all of these and the first synonyms.
        template: must contain ``{label}``; belongs to the model's identity.
        name: how the label set words the label, where that differs from the catalogue.
        catalogue: the packaged one by default.

    Raises:
        PromptError: the style is unknown, the label empty, or the template lacks ``{label}``.
    """
    if style not in STYLES:
        raise PromptError(f"The prompt style {style!r} is unknown; use one of {', '.join(STYLES)}.")
    if "{label}" not in template:
        raise PromptError("The prompt template must contain {label} where the label goes.")
    catalogue = catalogue or load_catalogue()
    disease = catalogue.get(label)
    text = name or (disease.name if disease else label.removeprefix(FREE))
    if not text.strip():
        raise PromptError("A prompt needs a label; this one is empty.")
    filled = template.replace("{label}", text)
    if style == "name":
        return (text,)
    if style == "template" or disease is None:
        return (filled,)
    if style == "findings":
        return (_with_findings(filled, disease, catalogue),)
    described = tuple(template.replace("{label}", description) for description in disease.descriptions)
    if style == "descriptions":
        return described or (filled,)
    synonyms = tuple(template.replace("{label}", synonym) for synonym in disease.synonyms[:MAX_SYNONYMS])
    return tuple(dict.fromkeys((filled, _with_findings(filled, disease, catalogue), *described, *synonyms)))


def _with_findings(filled: str, disease: Disease, catalogue: Catalogue) -> str:
    names = [catalogue.signs[sign].name for sign in disease.signs if sign in catalogue.signs][:MAX_SIGNS]
    if not names:
        return filled
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{filled}, with {listed}"
