"""A study goes to a site and comes home by plain HTTP, between two running servers; and who may not."""

import re
import shutil
from dataclasses import dataclass

import httpx
import pytest

from reader_study.accounts import create_user
from reader_study.case_list import StudyCase
from reader_study.database import Database
from reader_study.design import create_study
from reader_study.integrity import verify
from reader_study.protocol import Protocol
from reader_study.states import open_study
from tests.running_server import running_server
from tests.webapp.conftest import CHEAP, PASSWORD, STUDY, BlindStudy, write_photograph
from webapp.language import COOKIE
from webapp.pages.managing.packages import _file_name

PASSPHRASE, WRONG = "seven quiet herons", "seven loud herons"
PAGE = "/manage/packages/"
FORMS = ("export", "open", "return", "import", "files/" + "0" * 32)
READERS = ("pia", "pit")


@dataclass(frozen=True)
class Sent:
    """A package as it was downloaded, and what the page said about it."""

    content: bytes
    name: str
    fingerprint: str


@pytest.fixture(scope="module")
def parcel(blind, tmp_path_factory):
    """The server of an open study with two readers at a far site, and a second manager."""
    folder = tmp_path_factory.mktemp("parcel")
    for name in READERS:
        create_user(blind.database, name, PASSWORD, role="reader", site="far 1")
    create_user(blind.database, "max", PASSWORD, role="manager")
    labels = ("drusen", "glaucoma", "macular-hole")
    cases = [
        StudyCase(f"P{n}", write_photograph(folder, n, label), (label,)) for n, label in enumerate(labels)
    ]
    create_study(blind.database, Protocol("parcel", "Parcel", label_set="broad52", readers=READERS), cases)
    open_study(blind.database, "parcel", without_model=True)
    return blind


@pytest.fixture(scope="module")
def far(server, tmp_path_factory):
    """The site's own server, which held something that waited before it started."""
    data = tmp_path_factory.mktemp("far")
    for folder in ("gallery", "examples"):
        shutil.copytree(server.data / folder, data / folder)
    (data / "packages" / "old").mkdir(parents=True)
    (data / "packages" / "old" / "forgotten.package").write_bytes(b"x")
    with running_server(data, "--no-demo-study", "--max-study-mb", "2") as running:
        database = Database(f"sqlite:///{data / 'retizero.db'}", password_hasher=CHEAP)
        create_user(database, "lena", PASSWORD, role="manager")
        yield BlindStudy(running, database, {})
        database.close()


def made(client, form, **typed):
    """Send a form that makes a package and download it."""
    answer = client.post(PAGE + form, data={"passphrase": PASSPHRASE, "again": PASSPHRASE, **typed})
    assert (answer.status_code, answer.headers.get("location")) == (303, PAGE), answer.text
    page = client.get(PAGE).text
    key = re.search(r"packages/files/(\w+)", page)[1]
    file = client.post(f"{PAGE}files/{key}")
    assert file.headers["Cache-Control"] == "no-store"
    name = file.headers["Content-Disposition"].partition("''")[2]
    return Sent(file.content, name, (re.search(r"\b(?:[0-9a-f]{4}-){3}[0-9a-f]{4}\b", page) or [""])[0])


def bring(client, form, content, name="came.package", **typed):
    """Send a package."""
    sent = {"passphrase": PASSPHRASE, **typed}
    return client.post(PAGE + form, data=sent, files={"package": (name, content)})


def said(answer):
    """The problem that a page tells, and that nothing of a passphrase comes back with it."""
    assert not any(secret in answer.text for secret in (PASSPHRASE, WRONG, "seven"))
    return re.search(r'role="alert">(.*?)<', answer.text)[1]


@pytest.fixture(scope="module")
def sent(parcel):
    with parcel.sign_in("mira") as mira:
        return made(mira, "export", study="parcel", site="far 1")


def read_one(site, username):
    """Read the next case of the study."""
    with site.sign_in(username) as client:
        page = client.get("/read/case?study=parcel").json()
        image = client.get(f"/image/{page['token']}")
        assert image.headers["content-type"] == "image/png"
        assert site.answer(client, page["token"]).status_code == 200


def test_a_study_goes_to_a_site_is_read_there_and_comes_home(parcel, far, sent):
    assert sent.name == "parcel-far-1.package"
    with far.sign_in("lena") as lena:
        page = bring(lena, "open", sent.content, key=sent.fingerprint.upper())
        assert page.status_code == 200, said(page)
        assert "parcel is open here with 3 cases, for the site far 1." in page.text
        assert f"signed by the key you named, {sent.fingerprint}" in page.text
        links = dict(re.findall(r"<dt>(\w+)</dt><dd><code>[^<]+(/invite/[\w-]+)</code>", page.text))
        assert set(links) == set(READERS)
        assert "/invite/" not in lena.get(PAGE).text, "links are shown once"
        new = {"password": PASSWORD, "again": PASSWORD}
        assert httpx.post(far.server.url + links["pia"], data=new).status_code == 303
        assert httpx.post(far.server.url + links["pia"], data=new).status_code == 404, "and work once"
        read_one(parcel, "pia")
        read_one(far, "pia")
        read_one(far, "pia")
        back = made(lena, "return", study="parcel")
        assert verify(far.database).intact
    with parcel.sign_in("mira") as mira:
        page = bring(mira, "import", back.content, back.name)
        assert "parcel, site far 1: 1 readings taken in, 0 were here already." in page.text
        conflicts = re.findall("<li>(.*?)</li>", page.text)
        assert len(conflicts) == 1
        assert re.fullmatch(r"\S+, period 1, case P\d: read here too, with another answer\.", conflicts[0])
        mira.cookies.set(COOKIE, "zh")
        assert "此处也有阅片记录，且答案不同" in bring(mira, "import", back.content).text
        assert "wait" not in mira.get(PAGE).text
    assert verify(parcel.database).intact


def test_the_reference_standard_and_the_names_of_files_stay_at_the_server(far, sent):
    everything = [file.read_bytes() for file in far.server.data.rglob("*") if file.is_file()]
    assert not any(b"SECRETNAME" in content for content in everything)


def test_a_package_waits_for_its_maker_alone_and_until_it_was_taken(parcel):
    form = {"study": "parcel", "site": "far 1", "passphrase": PASSPHRASE, "again": PASSPHRASE}
    with parcel.sign_in("mira") as mira, parcel.sign_in("max") as other:
        mira.post(PAGE + "export", data=form)
        key = re.search(r"packages/files/(\w+)", mira.get(PAGE).text)[1]
        folder = parcel.server.data / "packages" / key
        assert [path.stat().st_mode & 0o077 for path in (folder, folder.parent)] == [0, 0]
        assert key not in other.get(PAGE).text
        refused = other.post(f"{PAGE}files/{key}")
        assert (refused.status_code, said(refused)[:21]) == (404, "This package does not")
        assert mira.post(f"{PAGE}files/{key}").content.startswith(b"RETIZERO SITE PACKAGE")
        assert mira.post(f"{PAGE}files/{key}").status_code == 404
        assert not folder.exists()


def test_what_waited_before_a_start_is_gone(far):
    assert not (far.server.data / "packages" / "old").exists()


@pytest.mark.parametrize("name", ["ana", "cora", "stan"])
def test_readers_coordinators_and_statisticians_do_nothing_here(parcel, sent, name):
    with parcel.sign_in(name) as client:
        assert client.get(PAGE).status_code == 401
        assert [bring(client, form, sent.content).status_code for form in FORMS] == [401] * len(FORMS)
        assert PAGE not in client.get("/manage/").text
    assert [httpx.post(parcel.server.url + PAGE + form).status_code for form in FORMS] == [401] * len(FORMS)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"again": WRONG}, "The two passphrases differ; type them again."),
        ({"passphrase": "seven", "again": "seven"}, "A passphrase has at least 12 characters."),
        ({"study": ""}, "There is no study named &#x27;&#x27;."),
        ({"site": ""}, "Study parcel has no active readers at the site &#x27;&#x27;."),
        ({"study": "still"}, "Study still is draft; only an open study is sent to a site."),
    ],
)
def test_what_cannot_be_sent_is_told_in_a_sentence(parcel, tmp_path, typed, sentence):
    if typed.get("study") == "still":
        case = StudyCase("S", write_photograph(tmp_path, 1, "drusen"), ("drusen",))
        create_study(parcel.database, Protocol("still", "Still a draft"), [case])
    form = {"study": "parcel", "site": "far 1", "passphrase": PASSPHRASE, "again": PASSPHRASE}
    with parcel.sign_in("mira") as mira:
        answer = mira.post(PAGE + "export", data=form | typed)
        assert (answer.status_code, said(answer)) == (422, sentence)
        assert list((parcel.server.data / "packages").iterdir()) == [], "nothing is left"
        empty = mira.post(PAGE + "return", data={**form, "study": STUDY})
        assert said(empty) == f"Study {STUDY} was not opened from a site package; nothing to return."


@pytest.mark.parametrize(
    ("change", "typed", "sentence", "chinese"),
    [
        (None, {"passphrase": WRONG}, "The passphrase does not fit", "口令与数据包不符"),
        (None, {"passphrase": ""}, "The passphrase does not fit", "口令与数据包不符"),
        (None, {"key": "0" * 16}, "is signed by the key", "的签名密钥为"),
        (None, {"key": "0" * 64}, "is signed by the key", "的签名密钥为"),
        (None, {"key": "hello"}, "A public key has 64 hexadecimal digits", "公钥为 64 位"),
        (lambda package: package[:-40], {}, "came.package was changed or cut off", "came.package 在签名后"),
        (lambda package: package[:300], {}, "came.package is cut off.", "came.package 不完整"),
        (lambda _: b"PK\3\4 a ZIP", {}, "came.package is not a site package", "不是本程序的中心数据包"),
        (lambda _: b"", {}, "came.package is not a site package", "不是本程序的中心数据包"),
        (lambda p: p.replace(b'"S-', b'"/-', 1), {}, "came.package is not a site package", "不是本程序"),
    ],
)
def test_what_cannot_be_opened_is_told_in_a_sentence_and_leaves_nothing(
    parcel, far, sent, change, typed, sentence, chinese
):
    content = change(sent.content) if change else sent.content
    photographs = sorted((far.server.data / "studies").rglob("*"))
    with far.sign_in("lena") as lena:
        answer = bring(lena, "open", content, **typed)
        assert answer.status_code == 422
        assert sentence in said(answer)
        lena.cookies.set(COOKIE, "zh")
        assert chinese in said(bring(lena, "open", content, **typed))
    assert list((far.server.data / "packages").iterdir()) == []
    assert sorted((far.server.data / "studies").rglob("*")) == photographs


def test_a_package_at_the_wrong_door_is_told_in_a_sentence(parcel, far, sent):
    with parcel.sign_in("mira") as mira:
        assert "is a package of study, not of readings" in said(bring(mira, "import", sent.content))
        assert "already a study named &#x27;parcel&#x27;" in said(bring(mira, "open", sent.content))
        assert said(mira.post(PAGE + "import")) == "Choose the file of the package."
        assert said(mira.post(PAGE + "open", data={"package": "text", "key": "ab"})).startswith("Choose")


def test_a_file_over_the_limit_is_refused_before_it_is_read(far):
    with far.sign_in("lena") as lena:
        for form in ("open", "import"):
            answer = bring(lena, form, bytes(3 * 1024 * 1024))
            assert (answer.status_code, said(answer)) == (413, "The files are larger than 2 MB.")


def test_no_passphrase_is_kept_or_logged(parcel, far, sent):
    for site in (parcel, far):
        for file in site.server.data.rglob("*"):
            if file.is_file():
                assert not re.search(rb"(quiet|loud) herons", file.read_bytes()), file


def test_every_control_of_the_page_has_its_label(parcel):
    with parcel.sign_in("mira") as mira:
        page = mira.get(PAGE).text
    for control in re.findall(r"<(?:input|select)[^>]*>", page):
        before = page[: page.index(control)]
        assert before.rfind('<label class="rz-field">') > before.rfind("</label>"), control
    assert f'href="{PAGE}" aria-current="page"' in page


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("../../etc/x", "x"),
        ("C:\\a b.package", "a-b.package"),
        ("..", "package"),
        ("", "package"),
        ("中心", "中心"),
    ],
)
def test_the_name_of_a_file_stays_in_its_folder(told, name):
    assert _file_name(told) == name
