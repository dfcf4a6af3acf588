"""Turn uploaded files into a lesson: read, check, embed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retizero.data import crop_to_field, read_image
from retizero.serving import Engine
from webapp.language import Language
from webapp.pages.demo.answers import localised
from webapp.pages.few_shot.answers import shown_name, thumbnail
from webapp.pages.few_shot.lesson import Example, Lesson, LessonError, class_of
from webapp.pages.few_shot.lessons import Lessons
from webapp.refusals import refusal
from webapp.tables import statement


@dataclass(frozen=True)
class Outcome:
    """What came of an upload.

    Attributes:
        taken: Whether anything was.
        said: Sentences (HTML) that say so.
        keep: Whether the files were not looked at, so that they should stay chosen for another attempt.
    """

    taken: bool
    said: str
    keep: bool = False


def teach(
    lessons: Lessons,
    session: str,
    typed: str | None,
    files: Sequence[str] | None,
    engine: Engine,
    words: Language,
) -> Outcome:
    """Add photographs of one diagnosis to a session's lesson.

    A file that cannot be read, is no fundus photograph or was shown before is told by its name; the others
    are taken.
    """
    paths = [Path(file) for file in files or ()]
    started = time.perf_counter()
    try:
        id, name = class_of(typed or "")
        if not paths:
            raise LessonError("few_shot.photographs_first")
        before = lessons.of(session)
        before.check_room(id, len(paths))
        examples, refused = _examples(paths, id, name, before, engine, words)
        lesson = lessons.change(session, lambda lesson: lesson.taught(name, examples, engine.identity))
    except LessonError as error:
        return Outcome(False, statement(words(error.key, **error.parts), "problem"), keep=True)
    except ValueError as error:
        return Outcome(False, statement(refusal(error, words), "problem"), keep=True)
    if not examples:
        return Outcome(False, refused)
    return Outcome(True, _added(lesson, engine, name, id, len(examples), started, words) + refused)


def _examples(
    paths: Sequence[Path], id: str, name: str, lesson: Lesson, engine: Engine, words: Language
) -> tuple[tuple[Example, ...], str]:
    """Embed what can be used; sentences (HTML) for the rest."""
    examples, refused = [], ""
    there = {example.digest: shown_name(lesson, example.id, words) for example in lesson.examples}
    for path in paths:
        try:
            image = read_image(path.read_bytes())
            digest = content_of(image)
            if digest in there:
                raise LessonError("few_shot.there_already", name=there[digest])
            embedding = engine.examine(image)[1]
            if embedding is None:
                raise LessonError("few_shot.not_fundus")
        except LessonError as error:
            refused += _refused(path, words(error.key, **error.parts), words)
        except OSError:
            refused += _refused(path, words("few_shot.gone"), words)
        except ValueError as error:
            refused += _refused(path, refusal(error, words), words)
        else:
            there[digest] = localised(id, name, words)
            examples.append(Example(id, embedding[0], thumbnail(crop_to_field(image)), digest))
    return tuple(examples), refused


def content_of(image: NDArray[np.uint8]) -> str:
    """Return what tells a picture (H, W, 3) from all others, whatever its file is called or holds besides."""
    return hashlib.sha256(str(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def _refused(path: Path, reason: str, words: Language) -> str:
    return statement(words("few_shot.refused", name=path.name, reason=reason), "problem")


def _added(
    lesson: Lesson, engine: Engine, name: str, id: str, number: int, started: float, words: Language
) -> str:
    lesson.head(engine)  # a new name is read once by the text tower
    remaking = time.perf_counter()
    lesson.head(engine)
    milliseconds = (time.perf_counter() - remaking) * 1000
    said = statement(
        words(
            "few_shot.added",
            n=number,
            name=localised(id, name, words),
            seconds=f"{time.perf_counter() - started:.1f}",
            ms=f"{milliseconds:.1f}",
        ),
        "good",
    )
    if id.startswith("free:"):
        said += statement(words("few_shot.free_name", name=name), "warning")
    return said
