"""Every sentence in which a page can refuse something, or find something wrong, has its Chinese."""

import ast
import re
from itertools import product
from pathlib import Path

import httpx
import pytest

from reader_study.case_list import StudyCase, read_cases
from reader_study.design import create_study
from reader_study.errors import DesignError
from reader_study.integrity import SINGLE_ROWS
from reader_study.protocol import DESIGNS, REFERENCES, STRATA, Protocol
from reader_study.protocol_file import protocol_from
from reader_study.scoring import RULES, TRUTHS
from retizero.knowledge import label_set
from tests.webapp.conftest import STUDY, write_photograph
from tests.webapp.test_benchmark import finished
from webapp.language import COOKIE, Language
from webapp.pages.benchmark.runs import Order, Run
from webapp.pages.benchmark.view import run_page
from webapp.refusals import TABLES, refusal, refusals

ROOT = Path(__file__).parents[2]
ASKED_BY_PAGES = {
    "reader_study": (
        "access", "accounts", "adjudication", "aid", "allocation", "answers", "audit", "case_folder",
        "case_list", "conduct", "consent", "corrections", "design", "errors", "integrity", "invitations",
        "own_data", "panel", "passwords", "planning", "profile", "protocol", "protocol_file", "results",
        "roles", "sites", "states", "studies", "tokens",
    ),
    "retizero/data": ("file_kind",),
    "webapp": ("photograph_checks",),
}  # fmt: skip
"""Modules of whose texts every one is said; a text is anything that is written in two words or more."""
SENTENCES_ASKED_BY_PAGES = {
    "reader_study": ("backup", "database", "exchange"),
    "reader_study/site_exchange": (
        "content",
        "incoming",
        "local",
        "local_rows",
        "outgoing",
        "photographs",
        "returning",
        "sealed",
    ),
    "retizero/data": ("dicom", "limits", "manifest", "reading", "tiff"),
    "retizero/evaluation": ("comparison", "official", "retrieval", "truth", "zero_shot"),
    "retizero/knowledge": ("label_sets",),
    "webapp": ("drafting", "freezing", "images"),
    **{
        f"webapp/pages/{room}": tuple(
            file.stem for file in sorted((ROOT / f"webapp/pages/{room}").glob("*.py"))
        )
        for room in ("benchmark", "dashboard", "managing", "planning")
    },
}
"""Modules with texts of other kinds (HTML, column names, methods) beside their sentences."""
ON_THE_COMMAND_LINE = {
    "backup": ("restore",),
    "database": ("__init__", "create", "_unreachable"),
    "label_sets": ("read_label_sets",),
    "protocol_file": ("read_protocol",),
}
"""Functions that no page calls."""
NOT_SAID = {
    "case_list": ("(no image named)",),  # as the name of an image, see below
    "images": ("The photograph cannot be prepared; tell the study's manager.",),  # in the place of an image
    "integrity": ("panel vote",),  # with a number behind it, see below
    "manifest": (  # in the files of a result, in their own language
        "Row 7: the image column is empty.",
        "Row 7: 7 does not exist.",
        "Row 7: the label column is empty.",
    ),
    "panel": ("panel, after conferring", "panel, 7 of 7"),  # how a reference standard was established
    "photograph_checks": ("case 7: 7",),
    "truth": ("Row 7: 7 is not among the candidates.",),  # as in the manifest
}  # fmt: skip
NAMES_ONLY = {"why", "STALE", "NO_AID", "NO_IMAGE", "tokens.STALE", "REFUSED", "UNREADABLE"}
"""Raised by name; the sentences themselves are found where they are written."""
KEPT = {
    "BMP", "CSV", "DICOM", "EXIF", "GIF", "GPS", "HEIC", "JPEG", "MB", "MiB", "Office", "PDF", "PNG",
    "Photoshop", "RGB", "SVG", "TIFF", "UTC", "UTF", "WebP", "ZIP",
    "all", "case_id", "false", "invited", "labels", "site", "synthetic", "true", "truth",
}  # fmt: skip
"""Words that are the same in Chinese: formats, and what is written so in a file."""
ZH = Language("zh")


def english(sentence):
    """The English words that are left in the Chinese of a sentence."""
    return [word for word in re.findall("[A-Za-z][A-Za-z_]+", refusal(sentence, ZH)) if word not in KEPT]


def texts(node):
    """What an expression of literals can be; parts filled with 7, quoted where they are."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.FormattedValue(format_spec=None):
            return ["'7'" if node.conversion == ord("r") else "7"]
        case ast.FormattedValue():
            return ["7" if ast.unparse(node).find("%") < 0 else "2026-03-01 at 08:00"]
        case ast.JoinedStr(values=parts):
            return ["".join(each) for each in product(*map(texts, parts))]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [first + second for first in texts(left) for second in texts(right)]
        case ast.IfExp(body=body, orelse=other):
            return texts(body) + texts(other)
    return []


def said(tree, silent=()):
    """Every text in a module that is no docstring: raised, returned, kept, appended to a list, whatever."""
    if isinstance(tree, ast.FunctionDef) and tree.name in silent:
        return
    if found := texts(tree):
        yield from found
        return
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            yield from said(child, silent)


def sentences(path, whole):
    """The texts of a module that a page may show."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(), args=[ast.Name() | ast.Attribute() as raised, *_])):
                assert ast.unparse(raised) in NAMES_ONLY, f"{path} raises {ast.unparse(raised)}"
    for text in said(tree, ON_THE_COMMAND_LINE.get(path.stem, ())):
        words = re.findall(r"[A-Za-z]{2,}", text)
        several = len(words) + text.count("7") > 1 and " " in text
        if words and several and (whole or text.endswith(".")) and text not in NOT_SAID.get(path.stem, ()):
            yield text


def modules():
    for kind, whole in ((ASKED_BY_PAGES, True), (SENTENCES_ASKED_BY_PAGES, False)):
        for folder, names in kind.items():
            for name in names:
                yield pytest.param(ROOT / folder / f"{name}.py", whole, id=f"{folder}/{name}")


def test_sentences_are_found_however_they_are_made():
    module = '''
"""Not the docstring of a module."""
KEPT = {"a key": "one is kept"}
def problems(x):
    """Nor that of a function."""
    found = ["two stands in a list"]
    found.append("three is appended")
    found += [f"four has {x!r} in it" for each in x]
    yield "five is yielded"
    return (x > 1, "six is in a pair"), " ".join(["seven is joined", "eight " + ("is" if x else "is not")])
'''
    found = [text for text in said(ast.parse(module)) if " " in text.strip()]
    assert found == [
        "a key", "one is kept", "two stands in a list", "three is appended", "four has '7' in it",
        "five is yielded", "six is in a pair", "seven is joined", "eight is", "eight is not",
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "whole"), list(modules()))
def test_every_refusal_has_its_chinese(path, whole):
    found = list(sentences(path, whole))
    assert {text: english(text) for text in found if english(text)} == {}
    assert [text for text in found if refusal(text, Language("en")) != text] == []


def test_parts_of_a_sentence_are_chinese_too():
    said = refusal("The comment has more than 2000 characters; shorten it.", ZH)
    assert said == "备注超过 2000 个字符，请缩短。"


def test_every_problem_of_a_protocol_is_told_in_chinese():
    wrong = {
        "name": "a b", "title": "", "version": "", "k": 0, "confidence_levels": 1, "periods": 11, "seed": -1,
        "wash_out_days": 9999, "rule": "x", "truths": "x", "readers": "x", "blocks": 3, "repeats": -1,
        "stratify_by": ("x",), "time_limit_seconds": 1, "consent": "x" * 20_001, "reference": "x",
        "live_results": True,
    }  # fmt: skip
    kinds = {"k": "many", "free_text": "yes", "title": [], "arms": 1, "blocks": -1, "readers": 3}
    codes = {*RULES, *TRUTHS, *REFERENCES, *STRATA, *DESIGNS}
    told = 0
    for make in (
        lambda: Protocol(**wrong, design="sequential", arms=("aided",)),
        *(lambda design=design: Protocol("s", "S", design=design, arms=("x",)) for design in DESIGNS),
        lambda: Protocol("s", "S", design="x"),
        lambda: protocol_from(kinds),
    ):
        with pytest.raises(DesignError) as caught:
            make()
        assert caught.value.problems
        told += len(caught.value.problems)
        left = [word for problem in caught.value.problems for word in english(problem) if word not in codes]
        assert left == []
    assert told > 25


def test_every_row_of_a_case_list_is_told_in_chinese(tmp_path):
    (tmp_path / "here.png").write_bytes(b"")
    rows = ["A b,here.png,drusen,", "B,lost.png,,maybe", "b,,unheard of,1,more"]
    (tmp_path / "cases.csv").write_text("case_id,image,truth,rare\n" + "\n".join(rows) + "\n")
    with pytest.raises(DesignError) as caught:
        read_cases(tmp_path / "cases.csv", label_set("broad52"))
    first, *told = refusals(caught.value, ZH)
    assert first == "病例表 cases.csv 不可用。"
    assert told == [
        "第 2 行：case_id 须为 1 至 64 个字母、数字或 . _ - 符号，不含空格。",
        "第 2 行：照片 'here.png' 是空文件。",
        "第 3 行：rare 的值 'maybe' 不是 0 或 1。",
        "第 3 行：truth 为空。",
        "第 3 行：找不到照片 'lost.png'。",
        "第 4 行：单元格数多于表头。",
        "第 4 行：目录中没有 truth 'unheard of'。",
        "第 4 行：image 为空。",
        "第 4 行：case_id 'b' 与第 3 行重复。",
    ]
    assert refusal(caught.value, ZH) == first + "".join(told)
    assert refusal(caught.value, Language("en")) == str(caught.value)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("glaucoma/a.png: image 'a.png' is empty.", "glaucoma/a.png：照片 'a.png' 是空文件。"),
        ("case 'A': truth is empty.", "病例 'A'：truth 为空。"),
        (
            "case A: The picture is damaged or cut short and cannot be decoded.",
            "病例 A：该图像已损坏或不完整，无法解码。",
        ),
        (
            "case A: the file carries EXIF camera, EXIF GPS position, text (X); readers get none of it.",
            "病例 A：文件中含有：EXIF 相机型号、EXIF GPS 位置、文字信息（X）；阅片者不会得到这些信息。",
        ),
        (
            "x.pdf is a PDF document, not a photograph that can be read; use JPEG, PNG, TIFF or DICOM.",
            "x.pdf是 PDF 文档，不是可读取的照片；请使用 JPEG、PNG、TIFF 或 DICOM。",
        ),
        (
            "R-1, period 2, case C001: read before the wash-out was over.",
            "R-1，第 2 阶段，病例 C001：在洗脱期结束前阅片。",
        ),
        ("order of R-1 in s is in no audit row.", "R-1 在研究 s 中的病例顺序：没有审计记录。"),
        ("Audit row 3 (create_user user R-1) was changed.", "审计记录 3（create_user：用户 R-1）被改动。"),
        ("RuntimeError: out of\nmemory", "程序出错（RuntimeError）：out of\nmemory"),
    ],
)
def test_a_sentence_in_a_sentence_is_chinese_too(english, chinese):
    assert refusal(english, ZH) == chinese


def test_the_record_can_tell_in_chinese_what_was_changed():
    for kind in SINGLE_ROWS.values():
        assert english(f"{kind} 5 was changed after audit row 7 recorded it.") == []


def test_no_text_stands_in_two_tables():
    files = [(ROOT / f"webapp/refusals/{table}.zh.yaml").read_text(encoding="utf-8") for table in TABLES]
    keys = [line.split(", zh: ")[0] for file in files for line in file.splitlines() if line.startswith("  ")]
    keys = [key if key.startswith("  - ") else key.rpartition(": ")[0] for key in keys if key[2] != "#"]
    assert sorted({key for key in keys if keys.count(key) > 1}) == []


def test_a_reader_is_refused_in_the_language_of_the_page(blind, ana):
    said = {}
    for code in ("en", "zh"):
        page = ana.get(f"/read/case?study={STUDY}").json()
        answer = httpx.post(
            f"{blind.server.url}/read/submit",
            json={"token": page["token"], "ranks": [], "confidence": 3},
            cookies={**ana.cookies, COOKIE: code},
        )
        assert answer.status_code == 422
        said[code] = answer.json()["problem"]
    assert said == {
        "en": "Give between 1 and 5 diagnoses, most likely first.",
        "zh": "请填写 1 至 5 个诊断，最可能者在前。",
    }


@pytest.fixture(scope="module")
def mira(blind):
    """The manager, on Chinese pages."""
    with blind.sign_in("mira") as client:
        client.cookies.set(COOKIE, "zh")
        yield client


@pytest.mark.parametrize(
    ("path", "sent", "chinese"),
    [
        (f"/manage/studies/{STUDY}/open", {"sure": "1"}, "只有状态为“草稿”的研究才能转为“开放”"),
        (f"/manage/studies/{STUDY}/judges", {"username": "no"}, "没有名为 &#x27;no&#x27; 且已启用的用户"),
        (f"/manage/studies/{STUDY}/judges", {"username": "ana"}, "ana 在研究 blind 中阅片，不能裁定其答案"),
        (f"/manage/studies/{STUDY}/adjudication", {"key": "x", "none": "1"}, "该账户不是本研究的裁定人员"),
        ("/manage/studies/nowhere/lock", {"sure": "1"}, "没有名为 &#x27;nowhere&#x27; 的研究"),
        ("/manage/accounts/invite", {"role": "manager"}, "管理员无权管理其他管理员的账户"),
        ("/manage/accounts/site", {"code": "a/b"}, "中心代码为 1 至 64 个字母"),
        ("/manage/new", {"title": "T", "name": "t", "label_set": "x"}, "没有标签集 &#x27;x&#x27;"),
        ("/manage/new", {"title": "T", "name": "a b", "k": "0"}, "<li>诊断个数上限：1 至 20 的数字。</li>"),
        ("/manage/new", {"title": "T", "name": "t", "folder": "x"}, "服务器上没有该文件夹"),
        (
            "/manage/benchmarks",
            {"manifest": "gallery/manifest.csv", "protocol": "retrieval/cosine", "model": "retizero-mini",
             "split": "nowhere"},
            "中没有符合条件的行：split &#x27;nowhere&#x27;",
        ),
    ],
)  # fmt: skip
def test_a_manager_is_refused_in_chinese(mira, path, sent, chinese):
    answer = mira.post(path, data=sent, files={"none": b""} if path == "/manage/new" else None)
    assert answer.status_code in (403, 404, 422), answer.text
    assert chinese in answer.text


@pytest.mark.parametrize(
    ("path", "chinese"),
    [
        ("/manage/planning/power?readers=many", "阅片者人数必须是数字。"),
        ("/manage/planning/power?readers=1", "阅片者人数须在 2 与 60 之间。"),
        (f"/manage/results.csv?study={STUDY}", "研究锁定前结果不可见。"),
        (f"/manage/report.html?study={STUDY}", "研究锁定前结果不可见。"),
        (f"/manage/results/table.csv?study={STUDY}&figure=forest", "研究锁定前结果不可见。"),
        (f"/manage/results/section?study={STUDY}", "研究锁定前结果不可见。"),
        (f"/manage/studies/{STUDY}/export.zip", "研究锁定前结果不可见。"),
        ("/manage/studies/nowhere", "没有名为 &#x27;nowhere&#x27; 的研究。"),
        ("/manage/benchmarks/nothing", "没有这一基准测试。"),
    ],
)
def test_what_a_manager_may_not_see_is_told_in_chinese(mira, path, chinese):
    assert chinese in mira.get(path).text


def test_why_a_study_did_not_open_is_told_in_the_language_of_who_looks(blind, mira, tmp_path):
    image = write_photograph(tmp_path, 1, "drusen")
    create_study(blind.database, Protocol("lost", "Lost"), [StudyCase("A", image, ("drusen",))])
    image.unlink()
    assert mira.post("/manage/studies/lost/open", data={"sure": "1"}).status_code == 303
    page = finished(lambda: (text := mira.get("/manage/studies/lost").text) and "不存在。" in text and text)
    assert f"{image} 不存在。" in page
    with blind.sign_in("mira") as other:
        assert f"{image} does not exist." in other.get("/manage/studies/lost").text


def test_why_a_benchmark_failed_is_told_in_the_language_of_the_page():
    order = Order("m.csv", "", ("retizero-mini",), "retrieval", "cosine", "mira")
    run = Run("1", order, "failed", problem="None of the manifest's images can be read.")
    assert "清单中的图像均无法读取。" in run_page(ZH, run)
    assert "None of the manifest&#x27;s images can be read." in run_page(Language("en"), run)
