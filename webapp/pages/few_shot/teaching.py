"""Turn uploaded files into a lesson: read, check, embed, delete the file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradio.utils import get_upload_folder

from retizero.data import crop_to_field, read_image
from retizero.serving import Engine
from webapp.language import Language
from webapp.pages.demo.answers import localised
from webapp.pages.few_shot.answers import thumbnail
from webapp.pages.few_shot.lesson import Example, Lesson, LessonError, class_of
from webapp.pages.few_shot.lessons import Lessons
from webapp.tables import statement


@dataclass(frozen=True)
class Outcome:
    """What came of an upload: whether anything was taken, and sentences (HTML) that say so."""

    taken: bool
    said: str


def teach(
    lessons: Lessons,
    session: str,
    typed: str | None,
    files: Sequence[str] | None,
    engine: Engine,
    words: Language,
) -> Outcome:
    """Add photographs of one diagnosis to a session's lesson; the uploaded files are deleted either way.

    A file that cannot be read, or is no fundus photograph, is told by its name; the others are taken.
    """
    paths = [Path(file) for file in files or ()]
    started = time.perf_counter()
    try:
        id, name = class_of(typed or "")
        if not paths:
            raise LessonError("few_shot.photographs_first")
        lessons.of(session).check_room(id, len(paths))
        examples, refused = _examples(paths, id, engine, words)
        lesson = lessons.change(session, lambda before: before.taught(name, examples, engine.identity))
    except LessonError as error:
        return Outcome(False, statement(words(error.key, **error.parts), "problem"))
    except ValueError as error:
        return Outcome(False, statement(str(error), "problem"))
    finally:
        _forget(paths)
    if not examples:
        return Outcome(False, refused)
    return Outcome(True, _added(lesson, engine, name, id, len(examples), started, words) + refused)


def _examples(
    paths: Sequence[Path], id: str, engine: Engine, words: Language
) -> tuple[tuple[Example, ...], str]:
    """Embed what can be used; sentences (HTML) for the rest."""
    examples, refused = [], ""
    for path in paths:
        try:
            image = read_image(path.read_bytes())
            _, embedding = engine.examine(image)
            reason = words("few_shot.not_fundus")
        except ValueError as error:
            embedding, reason = None, str(error)
        if embedding is None:
            refused += statement(words("few_shot.refused", name=path.name, reason=reason), "problem")
        else:
            examples.append(Example(id, embedding[0], thumbnail(crop_to_field(image))))
    return tuple(examples), refused


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


def _forget(paths: Sequence[Path]) -> None:
    """Delete uploaded files; only what lies in the folder that uploads go to."""
    uploads = Path(get_upload_folder()).resolve()
    for path in paths:
        if uploads in path.resolve().parents:
            path.unlink(missing_ok=True)
