"""What the demo answers, in words and figures: thin calls to the engine, one clear sentence for bad input."""

from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from retizero.data import read_image
from retizero.knowledge import LabelSet, label_set, label_sets, load_catalogue, parse_labels
from retizero.serving import Classification
from webapp.figures.answers import ranking
from webapp.language import Language
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import html_table, statement

OWN_LIST = "own"
MAX_LABELS = 600  # candidates in one request
Image = npt.NDArray[np.uint8]


class BadRequest(ValueError):
    """The visitor asked for something that cannot be answered; the message is one sentence for the page."""


def candidates(chosen: str, typed: str, words: Language) -> LabelSet:
    """Return the label set a visitor chose, or the one parsed from the list typed in.

    Only set names and typed lists are accepted here, never file paths.

    Raises:
        BadRequest: fewer than two diagnoses, or too many.
    """
    if chosen in label_sets():
        return label_set(chosen)
    spec = typed if chosen == OWN_LIST else chosen
    parts = [part.strip() for part in spec.replace("；", ";").replace("\n", ";").split(";") if part.strip()]
    if len(parts) < 2 or len(parts) > MAX_LABELS:
        raise BadRequest(words("demo.too_few"))
    return parse_labels("; ".join(parts), load_catalogue())


def read_photograph(rooms: Rooms, path: str | None, words: Language) -> Image:
    """Read the chosen file into (H, W, 3) uint8.

    Raises:
        BadRequest: no file was chosen, it is there no longer, or readers of an open study are looking at
            this photograph.
        retizero.data.ImageReadError: the file cannot be used; the message says why.
    """
    if not path:
        raise BadRequest(words("demo.choose_first"))
    try:
        with open(path, "rb") as file:  # read without its name, which says where uploads lie on the server
            image = read_image(file)
    except OSError as error:
        raise BadRequest(words("demo.choose_first")) from error
    if rooms.blinding.is_being_read(image):
        raise BadRequest(words("demo.being_read"))
    return image


def rank(
    rooms: Rooms,
    words: Language,
    path: str | None,
    chosen: str,
    typed: str,
    top_k: int,
    model: str | None = None,
) -> tuple[go.Figure | None, str, str]:
    """Return figure, statements (HTML) and table (HTML) of a zero-shot ranking by one of the models here."""
    try:
        rooms = rooms.with_model(model)
        labels = candidates(chosen, typed, words)
        result = rooms.engine.classify(read_photograph(rooms, path, words), labels, top_k=int(top_k))
    except ValueError as error:
        return None, statement(refusal(error, words), "problem"), ""
    said = _gate(result, words) + answered_by(rooms, words)
    if not result.predictions:
        return None, said, ""
    names = [localised(p.id, p.label, words) for p in result.predictions]
    figure = ranking(names, [p.probability for p in result.predictions], words)
    headers = [words("demo.rank"), words("demo.diagnosis"), words("demo.probability")]
    rows = [
        (i, name, f"{p.probability:.1%}")
        for i, (name, p) in enumerate(zip(names, result.predictions, strict=True), start=1)
    ]
    table = html_table(words("demo.figure"), headers, rows, numeric=(0, 2))
    return figure, said + _confidence(result, labels, words), table


def classify_json(
    rooms: Rooms, words: Language, path: str | None, labels: str, top_k: float | None
) -> dict[str, Any]:
    """Answer the public ``/classify`` endpoint: the row of ``retizero classify``, or {"error": words}."""
    try:
        chosen = candidates(labels or "common15", "", words)
        return rooms.engine.classify(
            read_photograph(rooms, path, words), chosen, top_k=int(top_k or 5)
        ).to_json()
    except ValueError as error:
        return {"error": str(error)}


def search_json(rooms: Rooms, words: Language, path: str | None, top_k: float | None) -> object:
    """Answer the public ``/search`` endpoint: [{id, image, label, similarity}], or {"error": words}."""
    try:
        photograph = read_photograph(rooms, path, words)
        found = rooms.engine.search(photograph, rooms.gallery.now(), max(1, int(top_k or 5)))
    except ValueError as error:
        return {"error": str(error)}
    return [{"id": n.id, "image": n.image, "label": n.label, "similarity": n.similarity} for n in found]


def resolved(label: str) -> tuple[str, str]:
    """Return (id, name) of a gallery label; a label outside the catalogue keeps its own words."""
    resolution = load_catalogue().resolve(label)
    return (resolution.id or "", resolution.name or label)


def localised(id: str, name: str, words: Language) -> str:
    """Return a diagnosis' name in the visitor's language."""
    try:
        disease = load_catalogue()[id]
    except ValueError:
        return name
    shown = disease.name[:1].upper() + disease.name[1:]
    return words.name_of(shown, disease.name_zh)


def _gate(result: Classification, words: Language) -> str:
    quality = f"{result.gate.quality:.0%}"
    if not result.gate.is_fundus:
        return statement(words("demo.gate_refused"), "problem")
    if result.gate.reason == "ok":
        return statement(words("demo.gate_ok", quality=quality), "good")
    if result.gate.reason == "poor_quality":
        return statement(words("demo.gate_poor", quality=quality), "warning")
    return statement(words("demo.gate_other", reason=result.gate.reason.replace("_", " ")), "warning")


def _confidence(result: Classification, labels: LabelSet, words: Language) -> str:
    names = dict(zip(labels.ids, labels.names, strict=True))
    said = ""
    if result.conformal_set and result.coverage is not None:
        shown = "; ".join(localised(i, names.get(i, i), words) for i in result.conformal_set)
        said += statement(words("demo.conformal", coverage=f"{result.coverage:.0%}", names=shown))
    else:
        said += statement(words("demo.no_conformal"), "quiet")
    if result.uncertainty is not None:
        said += statement(words("demo.uncertainty", value=f"{result.uncertainty:.2f}"), "quiet")
    typed = [n for i, n in names.items() if i.startswith("free:")]
    return said + (statement(words("demo.not_resolved", names="; ".join(typed)), "warning") if typed else "")


def answered_by(rooms: Rooms, words: Language) -> str:
    """Say which model answered."""
    identity = rooms.engine.identity
    said = words("demo.answered_by", title=identity.title, id=identity.id, sha=identity.weights_sha256[:12])
    return statement(said, "quiet")
