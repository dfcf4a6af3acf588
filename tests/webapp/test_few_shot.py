"""Teaching the demo: limits, forgetting, files deleted, answers in both languages."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retizero import phantom
from retizero.serving import Engine
from retizero.serving.linear_head import head_from_json
from webapp.language import Language, table
from webapp.pages.few_shot import answers, teaching
from webapp.pages.few_shot.lesson import (
    MAX_CLASSES,
    MAX_EXAMPLES,
    MAX_OF_ONE,
    Example,
    Lesson,
    LessonError,
    class_of,
)
from webapp.pages.few_shot.lessons import Lessons

EN = Language("en")


@pytest.fixture(scope="module")
def engine():
    return Engine.load("retizero-mini", "cpu")


def example(id, seed=0, width=256):
    vector = np.random.default_rng(seed).normal(size=width).astype(np.float32)
    return Example(id, vector / np.linalg.norm(vector), b"jpeg")


def lesson_of(engine, **classes):
    lesson, seed = Lesson(), 0
    for id, number in classes.items():
        shown = tuple(example(id, seed + place) for place in range(number))
        seed += number
        lesson = lesson.taught(id, shown, engine.identity)
    return lesson


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """The folder that uploads go to, with photographs in it."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setattr(teaching, "get_upload_folder", lambda: str(folder))

    def put(name, label=None, seed=0):
        path = folder / name
        if label is None:
            path.write_bytes(b"no picture at all")
        else:
            Image.fromarray(phantom.render(label, seed, size=160)).save(path)
        return str(path)

    return put


def test_every_sentence_that_the_tab_says_has_words():
    folder = Path(answers.__file__).parent
    said = {key for file in folder.glob("*.py") for key in re.findall(r'"(few_shot\.\w+)"', file.read_text())}
    assert len(said) > 30
    assert said | {"few_shot.tab"} == {key for key in table() if key.startswith("few_shot.")}


def test_limits_are_kept(engine):
    full = lesson_of(engine, drusen=MAX_OF_ONE)
    with pytest.raises(LessonError, match="too_many_of_one"):
        full.check_room("drusen", 1)
    many = lesson_of(engine, **{f"class{k}": 1 for k in range(MAX_CLASSES)})
    with pytest.raises(LessonError, match="too_many_classes"):
        many.check_room("another", 1)
    many.check_room("class0", 1)
    most = lesson_of(engine, **{f"class{k}": MAX_OF_ONE for k in range(MAX_EXAMPLES // MAX_OF_ONE)})
    with pytest.raises(LessonError, match=r"too_many$"):
        most.check_room("another", 1)


def test_examples_of_another_model_are_not_mixed(engine):
    lesson = lesson_of(engine, drusen=1)
    other = engine.with_prompt_style("name").identity
    with pytest.raises(LessonError, match="other_model"):
        lesson.taught("glaucoma", (example("glaucoma"),), other)
    assert lesson.without("drusen") == Lesson()


@pytest.mark.parametrize(
    ("typed", "id"),
    [
        ("drusen", "drusen"),
        ("CRVO", "central-retinal-vein-occlusion"),
        ("  macular   hole ", "macular-hole"),
        ("青光眼", "glaucoma"),
        ("our odd cases", "free:our odd cases"),
        ("demo14", "free:demo14"),
    ],
)
def test_names_are_resolved_or_taken_as_typed(typed, id):
    assert class_of(typed)[0] == id


@pytest.mark.parametrize("typed", ["", "   ", "drusen; glaucoma", "x" * 101])
def test_a_name_is_one_name(typed):
    with pytest.raises(LessonError):
        class_of(typed)


def test_lessons_are_bounded_and_forgotten(engine):
    times = [0.0]
    lessons = Lessons(most=2, idle_seconds=10, now=lambda: times[0])
    for session in "abc":
        lessons.change(session, lambda _: lesson_of(engine, drusen=1))
    assert len(lessons) == 2
    assert lessons.of("a") == Lesson()
    times[0] = 8
    assert lessons.of("b").examples
    times[0] = 15
    assert len(lessons) == 1  # c idled, b was used
    lessons.drop("b")
    assert len(lessons) == 0
    lessons.change("d", lambda before: before)
    assert len(lessons) == 0  # nothing taught, nothing kept


def test_an_upload_is_learnt_and_its_file_deleted(engine, uploads):
    lessons = Lessons()
    files = [uploads("a.png", "drusen", 1), uploads("b.png", "drusen", 2), uploads("c.jpg")]
    outcome = teaching.teach(lessons, "s", "Drusen", files, engine, EN)
    assert outcome.taken
    assert "2 added to Drusen" in outcome.said
    assert "Not used: c.jpg" in outcome.said
    assert not any(Path(file).exists() for file in files)
    assert lessons.of("s").counts() == {"drusen": 2}


def test_a_file_outside_the_upload_folder_is_never_deleted(engine, uploads, tmp_path):
    other = tmp_path / "mine.png"
    Image.fromarray(phantom.render("drusen", 1, size=160)).save(other)
    teaching.teach(Lessons(), "s", "drusen", [str(other)], engine, EN)
    assert other.exists()


@pytest.mark.parametrize(
    ("typed", "words"), [("", "Name the diagnosis first"), ("drusen", "Choose photographs")]
)
def test_what_is_missing_is_said(engine, typed, words):
    outcome = teaching.teach(Lessons(), "s", typed, [], engine, EN)
    assert not outcome.taken
    assert words in outcome.said
    assert 'role="alert"' in outcome.said


def test_a_picture_that_is_no_fundus_photograph_is_refused_by_name(engine, uploads, tmp_path):
    file = uploads("text.png")
    canvas = np.full((200, 300, 3), 255, np.uint8)
    canvas[20:180:12, 20:280] = 0
    Image.fromarray(canvas).save(file)
    outcome = teaching.teach(Lessons(), "s", "drusen", [file], engine, EN)
    assert not outcome.taken
    assert "text.png" in outcome.said
    assert "does not look like" in outcome.said


def test_names_from_a_visitor_are_escaped(engine, uploads):
    lessons = Lessons()
    outcome = teaching.teach(lessons, "s", "<script>x", [uploads("a.png", "drusen")], engine, EN)
    table = answers.taught(lessons.of("s"), EN)
    assert "<script>" not in outcome.said + table
    assert "&lt;script&gt;x" in table


@pytest.mark.parametrize("code", ["en", "zh"])
def test_the_answer_compares_words_alone_with_the_photographs(engine, code):
    words = Language(code)
    lesson = lesson_of(engine, drusen=3, glaucoma=2)
    asked = lesson.examples[0].vector[None]
    figure, table = answers.named(lesson, engine, asked, True, words)
    assert figure is not None
    assert table.count("<tr>") == 3
    first = table.split("<tbody>")[1].split("</tr>")[0]
    assert answers.shown_name(lesson, "drusen", words) in first
    verdict = answers.verdict(lesson, engine, True, words)
    assert "5" in verdict
    assert answers.taught(lesson, words).count("<img") == 5


def test_with_one_diagnosis_there_is_nothing_to_tell_apart(engine):
    lesson = lesson_of(engine, drusen=2)
    assert answers.named(lesson, engine, example("x").vector[None], True, EN) == (None, "")
    assert "second diagnosis" in answers.verdict(lesson, engine, True, EN)
    assert answers.verdict(Lesson(), engine, True, EN) == ""


def test_leaving_one_out_counts_what_the_others_name_right(engine):
    shown = tuple(Example("drusen", example("", 1).vector, b"") for _ in range(2))
    others = tuple(Example("glaucoma", example("", 2).vector, b"") for _ in range(2))
    lesson = Lesson().taught("drusen", shown, engine.identity).taught("glaucoma", others, engine.identity)
    found = lesson.left_out(engine, read_names=False)
    assert (found.n, found.right) == (4, 4)
    assert 0 <= found.right_by_words <= 4
    with_one_more = lesson.taught("cataract", (example("cataract", 5),), engine.identity)
    assert with_one_more.left_out(engine).n == 4  # the only photograph of a class is not counted


def test_a_photograph_of_each_diagnosis_is_too_few_to_test(engine):
    said = answers.verdict(lesson_of(engine, drusen=1, glaucoma=1), engine, True, EN)
    assert "second photograph" in said


def test_the_downloaded_classifier_answers_as_the_page_did(engine):
    lesson = lesson_of(engine, drusen=2, glaucoma=2)
    text = lesson.stored(engine).to_json()
    asked = example("x", 9).vector[None]
    again = head_from_json(text, "it")
    np.testing.assert_allclose(again.head.logits(asked), lesson.head(engine).logits(asked), atol=1e-5)
    assert again.examples == (2, 2)
    assert "thumbnail" not in text
    assert json.loads(text)["method"] == "ss-text"
