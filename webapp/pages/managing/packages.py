"""``/manage/packages``: packages for sites without a network path to here, made, opened and taken in."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from reader_study import site_exchange
from reader_study.errors import StudyError
from webapp.pages.managing.acting import Acting, acting, problem
from webapp.pages.managing.packages_view import HERE, opened_words, page_body, taken_words
from webapp.pages.managing.waiting import WaitingFiles
from webapp.rooms import Rooms
from webapp.tables import statement


def routes(rooms: Rooms) -> APIRouter:
    """Return the page of packages, its forms and the download of what they make."""
    router = APIRouter()
    packages = Packages(WaitingFiles(rooms.settings.data / "packages"))
    Who = Annotated[Acting, Depends(acting(rooms))]
    Text = Annotated[str, Form()]

    @router.get("/packages/")
    @router.get("/packages", include_in_schema=False)
    def shown(who: Who) -> HTMLResponse:
        return packages.page(who)

    @router.post("/packages/export")
    def export(
        who: Who, study: Text = "", site: Text = "", passphrase: Text = "", again: Text = ""
    ) -> Response:
        return packages.export(who, study, site, passphrase, again)

    @router.post("/packages/return")
    def give_back(who: Who, study: Text = "", passphrase: Text = "", again: Text = "") -> Response:
        return packages.give_back(who, study, passphrase, again)

    @router.post("/packages/files/{key}")
    def download(who: Who, key: str) -> Response:
        return packages.download(who, key)

    @router.post("/packages/open")
    async def open_here(request: Request, who: Who) -> Response:
        if (refused := packages.too_large(request, who)) is not None:
            return refused
        sent = await request.form(max_files=1, max_fields=10)
        return await run_in_threadpool(packages.open_here, who, sent, f"{request.base_url}invite/")

    @router.post("/packages/import")
    async def take_in(request: Request, who: Who) -> Response:
        if (refused := packages.too_large(request, who)) is not None:
            return refused
        sent = await request.form(max_files=1, max_fields=10)
        return await run_in_threadpool(packages.take_in, who, sent)

    return router


class Packages:
    """What the forms do. A passphrase goes to ``site_exchange`` and nowhere else.

    Args:
        waiting: where packages wait for their makers.
    """

    def __init__(self, waiting: WaitingFiles) -> None:
        self.waiting = waiting

    def page(self, who: Acting, said: str = "", code: int = 200, **given: str) -> HTMLResponse:
        """Answer with the page; ``given`` is what was chosen and typed before, without passphrases."""
        try:
            body = page_body(who, self.waiting.of(who.user.id), said, given)
        except StudyError as error:
            body, code = problem(error, who.words)
        return who.page(who.words("packages.nav"), HERE, body, code)

    def too_large(self, request: Request, who: Acting) -> HTMLResponse | None:
        """Refuse an upload over the limit before it is read; ``None`` where it may come."""
        mb = who.rooms.settings.max_study_mb
        largest = mb * 1024 * 1024
        if int(request.headers.get("content-length") or largest + 1) <= largest:
            return None
        return self.page(who, statement(who.words("manage.too_large", mb=mb), "problem"), 413)

    def export(self, who: Acting, study: str, site: str, passphrase: str, again: str) -> Response:
        """Make the package of a site and let it wait for the download."""
        if passphrase != again:
            return self._differ(who, study=study, site=site)
        try:
            with self.waiting.private_folder() as folder:
                file = folder / _file_name(f"{study}-{site}.package")
                made = site_exchange.export_site(
                    who.database, study, site, file, passphrase, actor_id=who.user.id
                )
                self.waiting.keep(who.user.id, made)
        except StudyError as error:
            return self.page(who, *problem(error, who.words), study=study, site=site)
        return RedirectResponse(HERE, 303)

    def give_back(self, who: Acting, study: str, passphrase: str, again: str) -> Response:
        """Write the return package of a site and let it wait for the download."""
        if passphrase != again:
            return self._differ(who, back=study)
        try:
            with self.waiting.private_folder() as folder:
                file = folder / _file_name(f"{study}-back.package")
                made = site_exchange.write_return(who.database, study, file, passphrase, actor_id=who.user.id)
                self.waiting.keep(who.user.id, made)
        except StudyError as error:
            return self.page(who, *problem(error, who.words), back=study)
        return RedirectResponse(HERE, 303)

    def download(self, who: Acting, key: str) -> Response:
        """Hand a package out to the one who made it."""
        found = self.waiting.open(key, who.user.id)
        if found is None:
            return self.page(who, statement(who.words("packages.gone"), "problem"), 404)
        file, source = found
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.made.file.name)}",
            "Content-Length": str(os.fstat(source.fileno()).st_size),
        }
        pieces = self.waiting.pieces(file, source)
        return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)

    def open_here(self, who: Acting, sent: FormData, invitations: str) -> Response:
        """Open a package that was uploaded; ``invitations`` is the address before the token of a link."""
        key = _typed(sent, "key").strip()
        try:
            with self._brought(sent) as file:
                if file is None:
                    return self._no_file(who, key=key)
                opened = site_exchange.open_package(
                    who.database,
                    file,
                    _typed(sent, "passphrase"),
                    who.rooms.settings.data / "studies",
                    public_key=key or None,
                    actor_id=who.user.id,
                )
        except StudyError as error:
            return self.page(who, *problem(error, who.words), key=key)
        body = opened_words(who.words, opened, bool(key), invitations)
        return who.page(who.words("packages.nav"), HERE, body)

    def take_in(self, who: Acting, sent: FormData) -> Response:
        """Take in the readings of a package that was uploaded."""
        try:
            with self._brought(sent) as file:
                if file is None:
                    return self._no_file(who)
                report = site_exchange.import_package(
                    who.database, file, _typed(sent, "passphrase"), actor_id=who.user.id
                )
        except StudyError as error:
            return self.page(who, *problem(error, who.words))
        return who.page(who.words("packages.nav"), HERE, taken_words(who.words, report))

    @contextmanager
    def _brought(self, sent: FormData) -> Iterator[Path | None]:
        """The uploaded package as a file of its own for as long as the block works on it."""
        package = sent.get("package")
        if not isinstance(package, UploadFile) or not package.filename:
            yield None
            return
        with self.waiting.private_folder() as folder:
            file = folder / _file_name(package.filename)
            with file.open("wb") as out:
                shutil.copyfileobj(package.file, out)
            yield file

    def _differ(self, who: Acting, **given: str) -> HTMLResponse:
        return self.page(who, statement(who.words("packages.differ"), "problem"), 422, **given)

    def _no_file(self, who: Acting, **given: str) -> HTMLResponse:
        return self.page(who, statement(who.words("packages.no_file"), "problem"), 422, **given)


def _typed(sent: FormData, name: str) -> str:
    value = sent.get(name)
    return value if isinstance(value, str) else ""


def _file_name(told: str) -> str:
    """What somebody called a file, as a name that stays in its folder and that a sentence can show."""
    return re.sub(r"[^\w.-]+", "-", told.replace("\\", "/").rpartition("/")[2])[-80:].strip(".") or "package"
