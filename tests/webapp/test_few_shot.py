"""Teaching the demo: limits, forgetting, files deleted, answers in both languages."""

import json
import re
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import FileData, ListFiles
from PIL import Image

from retizero import phantom
from retizero.knowledge import load_catalogue
from retizero.serving import Engine
from retizero.serving.linear_head import head_from_json
from webapp.language import Language, table
from webapp.pages.few_shot import answers, naming, teaching, uploads
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
from webapp.pages.few_shot.uploads import Uploads, paths_only

EN, ZH = Language("en"), Language("zh")


@pytest.fixture(scope="module")
def engine():
    return Engine.load("retizero-mini", "cpu")


def example(id, seed=0, width=256):
    vector = np.random.default_rng(seed).normal(size=width).astype(np.float32)
    return Example(id, vector / np.linalg.norm(vector), b"jpeg", f"picture {seed}")


def lesson_of(engine, **classes):
    lesson, seed = Lesson(), 0
    for id, number in classes.items():
        shown = tuple(example(id, seed + place) for place in range(number))
        seed += number
        lesson = lesson.taught(id, shown, engine.identity)
    return lesson


@pytest.fixture
def upload(tmp_path, monkeypatch):
    """Put a file where uploads go, in a folder of its own as Gradio does."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setattr(uploads, "get_upload_folder", lambda: str(folder))

    def put(name, label=None, seed=0):
        path = folder / f"content of {name}" / name
        path.parent.mkdir()
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


def entered(text, code):
    """What Enter hands over after typing: the first choice that contains it, or the text itself."""
    first = next((id for label, id in naming.diagnoses(code) if text.lower() in label.lower()), text)
    return text if text.lower() in naming.as_typed(code) else first


@pytest.mark.parametrize("code", ["en", "zh"])
def test_the_first_choice_that_contains_a_name_is_that_name_itself(code):
    choices = [(label.lower(), id) for label, id in naming.diagnoses(code)]
    for disease in load_catalogue().diseases:
        for name in (disease.name, *([disease.name_zh] if code == "zh" else [])):
            first = next(id for label, id in choices if name.lower() in label)
            assert first == disease.id, name


@pytest.mark.parametrize("code", ["en", "zh"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str])
def test_every_name_synonym_and_abbreviation_typed_in_full_means_its_own_entry(code, case):
    meant = {}
    for disease in load_catalogue().diseases:
        terms = (disease.name, disease.name_zh, *disease.synonyms, *disease.synonyms_zh)
        for term in (*terms, *disease.abbreviations):
            meant.setdefault(case(term), set()).add(disease.id)
    for term, ids in meant.items():
        id = class_of(entered(term, code))[0]
        assert id in ids or (len(ids) > 1 and id.startswith("free:")), term


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


def test_an_upload_is_learnt_and_what_is_no_picture_is_told(engine, upload):
    lessons = Lessons()
    files = [upload("a.png", "drusen", 1), upload("b.png", "drusen", 2), upload("c.jpg")]
    outcome = teaching.teach(lessons, "s", "Drusen", files, engine, EN)
    assert (outcome.taken, outcome.keep) == (True, False)
    assert "2 added to Drusen" in outcome.said
    assert "Not used: c.jpg" in outcome.said
    assert lessons.of("s").counts() == {"drusen": 2}


def test_refusals_on_the_chinese_page_are_chinese(engine, upload):
    files = [upload("c.jpg"), str(Path(upload("d.png")).with_name("gone.png"))]
    said = teaching.teach(Lessons(), "s", "玻璃膜疣", files, engine, ZH).said
    assert "未采用：c.jpg — 该图像" in said
    assert "未采用：gone.png — 文件已逾一小时被删除" in said
    assert "picture" not in said


def test_the_same_photograph_is_refused_wherever_it_was_shown_before(engine, upload):
    lessons = Lessons()
    first, again = upload("a.png", "drusen", 1), upload("again.png", "drusen", 1)
    within = teaching.teach(lessons, "s", "drusen", [first, again], engine, EN)
    assert "1 added to" in within.said
    assert "Not used: again.png — it is there already, shown as Drusen." in within.said
    elsewhere = teaching.teach(lessons, "s", "glaucoma", [again], engine, EN)
    assert (elsewhere.taken, elsewhere.keep) == (False, False)
    assert "it is there already, shown as Drusen." in elsewhere.said
    assert lessons.of("s").counts() == {"drusen": 1}


def test_two_additions_at_once_do_not_show_a_photograph_twice(engine):
    lesson = lesson_of(engine, drusen=2)
    assert lesson.taught("glaucoma", lesson.examples, engine.identity) == lesson


@pytest.mark.parametrize("typed", ["", "drusen; glaucoma", "drusen"])
def test_files_stay_chosen_when_they_were_not_looked_at(engine, upload, typed):
    lessons = Lessons()
    lessons.change("s", lambda _: lesson_of(engine, drusen=MAX_OF_ONE))
    outcome = teaching.teach(lessons, "s", typed, [upload("a.png", "drusen")], engine, EN)
    assert (outcome.taken, outcome.keep) == (False, True)


def test_a_limit_says_what_is_there_and_what_is_chosen(engine, upload):
    lessons = Lessons()
    lessons.change("s", lambda _: lesson_of(engine, drusen=MAX_OF_ONE - 1))
    files = [upload("a.png", "drusen"), upload("b.png", "drusen", 1)]
    said = teaching.teach(lessons, "s", "drusen", files, engine, EN).said
    assert "19 are there and 2 are chosen" in said


def test_a_chosen_file_is_deleted_when_it_is_taken_back_added_or_left_behind(upload):
    held, files = Uploads(), [upload("a.png", "drusen"), upload("b.png", "drusen", 1)]
    held.hold("s", files)
    held.hold("s", files[1:])
    assert [Path(file).parent.exists() for file in files] == [False, True]
    held.drop("s")
    assert not Path(files[1]).parent.exists()


def test_a_file_that_another_visitor_has_or_the_page_still_shows_stays(upload):
    held, file = Uploads(), upload("a.png", "drusen")
    held.hold("s", [file])
    held.hold("t", [file])
    held.drop("s")
    held.hold("t", (), spared=file)
    assert Path(file).exists()
    held.drop("t")
    assert not Path(file).exists()


def test_a_file_outside_the_upload_folder_is_never_deleted(upload, tmp_path):
    held, other = Uploads(), tmp_path / "mine.png"
    other.write_bytes(b"mine")
    held.hold("s", [str(other), str(tmp_path / "uploads" / ".." / "mine.png")])
    held.drop("s")
    assert other.exists()


def test_taking_uploads_from_gradio_leaves_no_empty_file(upload, tmp_path):
    file = upload("a.png", "drusen")
    before = set(tmp_path.rglob("*"))
    box = gr.File(file_count="multiple")
    box.GRADIO_CACHE = str(tmp_path / "uploads")
    assert paths_only(ListFiles(root=[FileData(path=file)])) == list(box.preprocess(FileData(path=file)))
    assert len(set(tmp_path.rglob("*")) - before) == 1  # Gradio's own; ours made none
    assert paths_only(None) is None


@pytest.mark.parametrize(
    ("typed", "words"), [("", "Name the diagnosis first"), ("drusen", "Choose photographs")]
)
def test_what_is_missing_is_said(engine, typed, words):
    outcome = teaching.teach(Lessons(), "s", typed, [], engine, EN)
    assert not outcome.taken
    assert words in outcome.said
    assert 'role="alert"' in outcome.said


def test_a_picture_that_is_no_fundus_photograph_is_refused_by_name(engine, upload, tmp_path):
    file = upload("text.png")
    canvas = np.full((200, 300, 3), 255, np.uint8)
    canvas[20:180:12, 20:280] = 0
    Image.fromarray(canvas).save(file)
    outcome = teaching.teach(Lessons(), "s", "drusen", [file], engine, EN)
    assert not outcome.taken
    assert "text.png" in outcome.said
    assert "does not look like" in outcome.said


def test_names_from_a_visitor_are_escaped(engine, upload):
    lessons = Lessons()
    outcome = teaching.teach(lessons, "s", "<script>x", [upload("a.png", "drusen")], engine, EN)
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
    shown = tuple(Example("drusen", example("", 1).vector, b"", f"a{k}") for k in range(2))
    others = tuple(Example("glaucoma", example("", 2).vector, b"", f"b{k}") for k in range(2))
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
