"""``/manage/new``: a study from a protocol form and a case list with its photographs, every bad row named."""

import shutil
import zipfile
from html import escape
from pathlib import Path
from secrets import token_hex
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from reader_study.case_folder import cases_from_folder
from reader_study.case_list import StudyCase, read_cases
from reader_study.errors import DesignError, StudyError
from reader_study.protocol import Protocol
from reader_study.protocol_file import protocol_from
from retizero.knowledge import KnowledgeError, label_set
from webapp import forms
from webapp.areas import STEPPING_ROLES
from webapp.drafting import PATIENCE_SECONDS, Drafting, Draftings
from webapp.pages.managing.acting import Acting, acting, problem
from webapp.pages.managing.protocol_form import ProtocolForm, protocol_values, section
from webapp.photograph_checks import PhotographChecks
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import progress_bar, statement

MOST_FILES, MOST_UNPACKED = 20_000, 16 * 1024**3  # entries and bytes of one archive


def routes(rooms: Rooms) -> APIRouter:
    """Return the form and what it sends to."""
    router = APIRouter()
    Who = Annotated[Acting, Depends(acting(rooms))]
    draftings = Draftings(rooms)

    @router.get("/new")
    def blank(who: Who) -> Response:
        return _page(who)

    @router.post("/new")
    async def create(request: Request, who: Who) -> Response:
        largest = rooms.settings.max_study_mb * 1024 * 1024
        if int(request.headers.get("content-length") or largest + 1) > largest:
            return PlainTextResponse(who.words("manage.too_large", mb=rooms.settings.max_study_mb), 413)
        if who.user.role not in STEPPING_ROLES:
            return _page(who, statement(who.words("manage.no_such_page"), "problem"), 403)
        sent = await request.form(max_files=3, max_fields=100)
        return await run_in_threadpool(_create, who, sent, draftings)

    @router.get("/new/{drafting}")
    def made(drafting: str, who: Who) -> Response:
        found = draftings.of(drafting, who.user.id)
        if found is None:
            return _page(who, statement(who.words("manage.no_such_page"), "problem"), 404)
        return _shown(who, found)

    return router


def _create(who: Acting, sent: FormData, draftings: Draftings) -> Response:
    """Begin to make the study of what was sent, or show the form again with everything that is wrong."""
    values = {key: value for key, value in sent.items() if isinstance(value, str)}
    folder = who.rooms.settings.data / "studies" / token_hex(8)
    try:
        protocol, _ = protocol_from(protocol_values(values))
        _bring(who.rooms.settings.data, sent, values.get("folder", ""), folder)
        cases = _cases_in(folder, protocol)
    except (StudyError, KnowledgeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        said, code = problem(error, who.words)
        return _page(who, said, code, values)
    drafting = draftings.start(protocol, cases, folder, values, who.user.id)
    if drafting.finished.wait(PATIENCE_SECONDS):
        return _shown(who, drafting)
    return RedirectResponse(f"/manage/new/{drafting.id}", status_code=303)


def _shown(who: Acting, drafting: Drafting) -> HTMLResponse:
    """How far the making is, and in the end the study or the form with what is wrong."""
    title = drafting.protocol.title
    if not drafting.finished.is_set():
        words = who.words("manage.checking", done=drafting.done, total=drafting.total)
        body = f"<h1>{escape(title)}</h1>{progress_bar(words, drafting.done, drafting.total)}"
        answer = who.page(title, "/manage/new", body)
        answer.headers["Refresh"] = "2"
        return answer
    if drafting.problem is not None:
        said, code = problem(drafting.problem, who.words)
        return _page(who, said, code, drafting.values)
    assert drafting.checked is not None, "what is finished has a problem or was checked"
    made = _made(who, drafting.name, title, drafting.total, drafting.checked)
    return who.page(title, "/manage/new", made)


def _made(who: Acting, name: str, title: str, n: int, checked: PhotographChecks) -> str:
    words = who.words
    doubts = "".join(f"<li>{escape(refusal(sentence, words))}</li>" for sentence in checked.warnings)
    told = f"<p>{escape(words('manage.doubts'))}</p><ul>{doubts}</ul>"
    return (
        f"<h1>{escape(title)}</h1>"
        + statement(words("manage.created", n=n), "good")
        + (f'<div class="rz-warning">{told}</div>' if doubts else "")
        + f'<p><a class="rz-button" href="/manage/studies/{name}">{escape(words("manage.to_study"))}</a></p>'
    )


def incoming(data: Path) -> list[str]:
    """Names of the folders that the administrator put on the server for managers to choose from."""
    place = data / "incoming"
    return sorted(entry.name for entry in place.iterdir() if entry.is_dir()) if place.is_dir() else []


def _bring(data: Path, sent: FormData, chosen: str, folder: Path) -> None:
    """Put case list and photographs into the study's own folder.

    Raises:
        DesignError: there is no such folder on the server, or the archive cannot be used.
    """
    folder.mkdir(parents=True, mode=0o700)
    if chosen:
        if chosen not in incoming(data):
            raise DesignError("There is no such folder on the server.")
        shutil.copytree(data / "incoming" / chosen, folder, dirs_exist_ok=True, symlinks=False)
    archive, table = sent.get("photographs"), sent.get("cases")
    if isinstance(archive, UploadFile) and archive.filename:
        unpack(archive, folder)
    if isinstance(table, UploadFile) and table.filename:
        with (folder / "cases.csv").open("wb") as out:
            shutil.copyfileobj(table.file, out)


def _cases_in(folder: Path, protocol: Protocol) -> tuple[StudyCase, ...]:
    """The cases of the list that came; without a list, every photograph, its folder naming the diagnosis."""
    labels, voted = label_set(protocol.label_set), protocol.reference == "panel"
    lists = sorted(folder.rglob("*.csv"), key=lambda file: (len(file.parts), file.name != "cases.csv"))
    if lists:
        return read_cases(lists[0], labels, truth_needed=not voted)
    return cases_from_folder(folder, labels, truth_needed=not voted)


def unpack(archive: UploadFile, folder: Path) -> None:
    """Unpack a ZIP archive; nothing in it gets outside the folder.

    Raises:
        DesignError: it is no ZIP archive, too large, or names files outside of itself.
    """
    try:
        with zipfile.ZipFile(archive.file) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_UNPACKED:
                raise DesignError("The archive holds too much; send it in parts.")
            for entry in entries:
                target = (folder / entry.filename).resolve()
                is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
                if not target.is_relative_to(folder.resolve()) or is_link:
                    raise DesignError(f"The archive names {entry.filename!r}, which lies outside of it.")
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(entry) as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        raise DesignError("The archive of photographs is no ZIP file that can be read.") from None


def _page(who: Acting, said: str = "", code: int = 200, given: dict[str, str] | None = None) -> HTMLResponse:
    protocol, title = ProtocolForm(who.words, given or {}), who.words("manage.new")
    body = f"<h1>{escape(title)}</h1>{said}" + forms.form(
        "/manage/new",
        protocol.design(),
        protocol.reading(),
        section(who.words("manage.cases"), *_cases(who, given or {})),
        submit=who.words("manage.create"),
        enctype="multipart/form-data",
        klass="rz-form rz-wide",
    )
    return who.page(title, "/manage/new", body, code)


def _cases(who: Acting, given: dict[str, str]) -> list[str]:
    words = who.words
    here = [("", words("manage.no_folder")), *((name, name) for name in incoming(who.rooms.settings.data))]
    told = words("manage.folder_help")
    return [
        forms.file("cases", words("manage.cases_file"), ".csv,text/csv", words("manage.cases_help")),
        forms.file("photographs", words("manage.photographs"), ".zip", words("manage.photographs_help")),
        forms.choice("folder", words("manage.folder"), here, value=given.get("folder", ""), help=told),
    ]
