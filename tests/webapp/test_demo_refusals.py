"""A file that is no photograph is refused in the language of the page, and without where it lies."""

from types import SimpleNamespace

import pytest

from webapp.language import Language
from webapp.pages.demo.answers import BadRequest, rank, read_photograph


@pytest.mark.parametrize(
    ("code", "told"),
    [("en", "The picture is a text file, not a photograph"), ("zh", "文本文件，不是可读取的照片")],
)
def test_a_refusal_speaks_the_pages_language_and_names_no_folder(tmp_path, code, told):
    path = tmp_path / "secret.jpg"
    path.write_text("no picture at all, but text", encoding="utf-8")
    rooms = SimpleNamespace(engine=SimpleNamespace(classify=None), blinding=None)
    rooms.with_model = lambda model: rooms
    _, said, _ = rank(rooms, Language(code), str(path), "common15", "", 5)
    assert told in said
    assert str(tmp_path) not in said
    assert "secret.jpg" not in said


def test_an_upload_that_was_deleted_meanwhile_is_asked_for_again(tmp_path):
    words = Language("en")
    with pytest.raises(BadRequest) as refused:
        read_photograph(SimpleNamespace(blinding=None), str(tmp_path / "gone.jpg"), words)
    assert str(refused.value) == words("demo.choose_first")
