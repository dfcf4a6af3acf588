"""Every sentence that a reader, or somebody with an account, can be refused with has its Chinese."""

import ast
from pathlib import Path

import httpx
import pytest

import reader_study
from tests.webapp.conftest import STUDY
from webapp.language import Language
from webapp.refusals import refusal

FOR_READERS = (
    "access", "answers", "conduct", "corrections", "aid", "tokens", "consent", "profile", "roles", "own_data",
    "passwords", "invitations", "accounts",
)  # fmt: skip
NAMES_ONLY = {"why", "STALE", "NO_AID", "NO_IMAGE", "tokens.STALE", "REFUSED"}
"""Raised by name; the sentences themselves are found where they are written."""


def sentences(module):
    """What a module raises, returns as a reason or keeps in a constant; parts filled with 7."""
    tree = ast.parse((Path(reader_study.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        said = None
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            said = node.exc.args[0]
        elif isinstance(node, ast.Return | ast.Assign) and isinstance(
            node.value, ast.Constant | ast.JoinedStr
        ):
            said = node.value
        if isinstance(said, ast.JoinedStr):
            yield "".join(_part(part) for part in said.values)
        elif isinstance(said, ast.Constant) and isinstance(said.value, str) and said.value.endswith("."):
            yield said.value
        elif isinstance(said, ast.Name | ast.Attribute) and isinstance(node, ast.Raise):
            assert ast.unparse(said) in NAMES_ONLY, f"{module} raises {ast.unparse(said)}"


def _part(part):
    if isinstance(part, ast.Constant):
        return part.value
    return "2026-03-01 at 08:00" if part.format_spec else "7"


@pytest.mark.parametrize("module", FOR_READERS)
def test_every_refusal_has_its_chinese(module):
    found = list(sentences(module))
    words = Language("zh")
    assert [sentence for sentence in found if refusal(sentence, words) == sentence] == []
    assert [sentence for sentence in found if refusal(sentence, Language("en")) != sentence] == []


def test_parts_of_a_sentence_are_chinese_too():
    said = refusal("The comment has more than 2000 characters; shorten it.", Language("zh"))
    assert said == "备注超过 2000 个字符，请缩短。"


def test_a_reader_is_refused_in_the_language_of_the_page(blind, ana):
    said = {}
    for code in ("en", "zh"):
        page = ana.get(f"/read/case?study={STUDY}").json()
        answer = httpx.post(
            f"{blind.server.url}/read/submit",
            json={"token": page["token"], "ranks": [], "confidence": 3},
            cookies={**ana.cookies, "retizero_language": code},
        )
        assert answer.status_code == 422
        said[code] = answer.json()["problem"]
    assert said == {
        "en": "Give between 1 and 5 diagnoses, most likely first.",
        "zh": "请填写 1 至 5 个诊断，最可能者在前。",
    }
