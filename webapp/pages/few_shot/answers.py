"""What the few-shot tab says: the taught photographs, and how the classifier names another one."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from retizero.serving import Engine
from retizero.serving.confidence import softmax
from webapp.figures.answers import ranking
from webapp.language import Language
from webapp.pages.demo.answers import localised
from webapp.pages.few_shot.lesson import Lesson
from webapp.tables import html_table, statement

THUMBNAIL = 72  # pixels


def thumbnail(image: NDArray[np.uint8]) -> bytes:
    """Return a small square JPEG of a photograph (H, W, 3) already cropped to its field of view."""
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def taught(lesson: Lesson, words: Language) -> str:
    """Return the table of what was shown, with thumbnails."""
    if not lesson.examples:
        return statement(words("few_shot.nothing"), "quiet")
    rows = []
    for id, count in lesson.counts().items():
        name = shown_name(lesson, id, words)
        pictures = [example.thumbnail for example in lesson.examples if example.id == id]
        images = "".join(
            f'<img src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}" width="48" height="48" '
            f'alt="{escape(words("few_shot.thumbnail", name=name, number=number), quote=True)}">'
            for number, picture in enumerate(pictures, start=1)
        )
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th><td class="rz-number">{count}</td>'
            f'<td class="rz-thumbnails">{images}</td></tr>'
        )
    caption = escape(words("few_shot.taught"), quote=True)
    heads = "".join(
        f'<th scope="col"{right}>{escape(words(key))}</th>'
        for key, right in (
            ("few_shot.name", ""),
            ("few_shot.count", ' class="rz-number"'),
            ("few_shot.thumbnails", ""),
        )
    )
    return (
        f'<div class="rz-table" tabindex="0" role="region" aria-label="{caption}"><table>'
        f"<caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def verdict(lesson: Lesson, engine: Engine, read_names: bool, words: Language) -> str:
    """Say how well the classifier does on its own photographs, each left out in turn."""
    if lesson.model is None:
        return ""
    said = words("few_shot.by_model", title=lesson.model.title, id=lesson.model.id)
    return _verdict(lesson, engine, read_names, words) + statement(said, "quiet")


def _verdict(lesson: Lesson, engine: Engine, read_names: bool, words: Language) -> str:
    if len(lesson.names) < 2:
        return statement(words("few_shot.second_needed"), "quiet")
    found = lesson.left_out(engine, read_names)
    if not found.n:
        return statement(words("few_shot.second_photograph"), "quiet")
    low, high = proportion_confint(found.right, found.n, method="wilson")
    said = words(
        "few_shot.left_out",
        right=found.right,
        n=found.n,
        low=f"{low:.0%}",
        high=f"{high:.0%}",
        words=found.right_by_words,
    )
    return statement(said)


def named(
    lesson: Lesson,
    engine: Engine,
    embedding: NDArray[np.float32] | None,
    read_names: bool,
    words: Language,
) -> tuple[go.Figure | None, str]:
    """Return figure and table (HTML) of the photograph with this embedding, (1, D)."""
    if len(lesson.names) < 2:
        return None, ""
    if embedding is None:
        return None, statement(words("few_shot.photograph_needed"), "quiet")
    after = softmax(lesson.head(engine, read_names).logits(embedding))[0]
    before = engine.similarity(embedding, lesson.labels())[0]
    order = np.argsort(-after, kind="stable")
    names = [shown_name(lesson, lesson.ids[place], words) for place in order]
    figure = ranking(names, [float(after[place]) for place in order], words)
    figure.update_layout(
        title=words("few_shot.figure"), xaxis_title={"text": words("few_shot.by_photographs")}
    )
    return figure, _comparison(names, after[order], before[order], words)


def shown_name(lesson: Lesson, id: str, words: Language) -> str:
    """Return a class' name in the visitor's language."""
    return localised(id, dict(lesson.names)[id], words)


def _comparison(
    names: Sequence[str], after: NDArray[np.float64], before: NDArray[np.float64], words: Language
) -> str:
    headers = [words(key) for key in ("demo.rank", "few_shot.name")]
    headers += [words("few_shot.by_words"), words("few_shot.by_photographs")]
    rows = [
        (place, name, f"{without:.1%}", f"{with_:.1%}")
        for place, (name, without, with_) in enumerate(zip(names, before, after, strict=True), start=1)
    ]
    table = html_table(words("few_shot.figure"), headers, rows, numeric=(0, 2, 3))
    return table + statement(words("few_shot.shares"), "quiet")
