from datetime import UTC, datetime

import pytest

from retizero.knowledge.entries import disease_from_raw, read_raw_entries
from retizero.knowledge.errors import ReviewError
from retizero.knowledge.review import read_reviews, sign_off, withdraw

FILE = """\
# A comment that must stay.
- id: first-disease
  name: first disease
  name_zh: 甲病
  rarity: rare
  laterality: either
  note: "quoted: stays"
  reviewed: false
- id: second-disease   # and this one
  name: second disease
  name_zh: 乙病
  rarity: rare
  laterality: either
  reviewed: false
"""


@pytest.fixture
def files(tmp_path):
    directory = tmp_path / "diseases"
    directory.mkdir()
    (directory / "test.yaml").write_text(FILE, encoding="utf-8")
    return {"directory": directory, "reviews": tmp_path / "reviews.yaml"}


def reviewed(files):
    signed = {id: review.content_hash for id, review in read_reviews(files["reviews"]).items()}
    return {
        raw["id"]: disease_from_raw(raw, signed.get(raw["id"])).reviewed
        for raw in read_raw_entries(files["directory"])
    }


def test_signing_changes_one_line_of_the_yaml_and_records_who_and_when(files):
    sign_off("second-disease", "Dr  Ada X", "atlas", at=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), **files)
    text = (files["directory"] / "test.yaml").read_text(encoding="utf-8")
    before, after = FILE.splitlines(), text.splitlines()
    assert [number for number, line in enumerate(after) if line != before[number]] == [13]
    assert reviewed(files) == {"first-disease": False, "second-disease": True}
    review = read_reviews(files["reviews"])["second-disease"]
    assert (review.by, review.at, review.comment) == ("Dr Ada X", "2025-01-02T03:04:05+00:00", "atlas")


def test_an_edit_takes_the_signature_away(files):
    sign_off("first-disease", "Dr Ada X", **files)
    path = files["directory"] / "test.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("甲病", "丙病"), encoding="utf-8")
    assert reviewed(files)["first-disease"] is False
    sign_off("first-disease", "Dr Ada X", **files)
    assert reviewed(files)["first-disease"] is True


def test_setting_the_flag_by_hand_does_not_make_an_entry_reviewed(files):
    path = files["directory"] / "test.yaml"
    path.write_text(FILE.replace("reviewed: false", "reviewed: true"), encoding="utf-8")
    assert not any(reviewed(files).values())


def test_a_signature_can_be_withdrawn_and_leaves_the_file_as_it_was(files):
    sign_off("first-disease", "Dr Ada X", **files)
    withdraw("first-disease", **files)
    assert (files["directory"] / "test.yaml").read_text(encoding="utf-8") == FILE
    assert read_reviews(files["reviews"]) == {}


@pytest.mark.parametrize(
    ("id", "by", "said"), [("no-such", "Dr Ada X", "no entry"), ("first-disease", " ", "full name")]
)
def test_signing_nothing_or_by_nobody_is_refused_in_words(files, id, by, said):
    with pytest.raises(ReviewError, match=said):
        sign_off(id, by, **files)
    assert not files["reviews"].exists()


def test_withdrawing_what_nobody_signed_is_refused_in_words(files):
    with pytest.raises(ReviewError, match="no sign-off to withdraw"):
        withdraw("first-disease", **files)
