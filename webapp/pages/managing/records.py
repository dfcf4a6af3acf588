"""``/manage/records``: is everything as it was stored, a copy of the database, exports of a study."""

import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory, mkstemp
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from reader_study import integrity
from reader_study.backup import backup
from reader_study.errors import StudyError
from reader_study.exchange import export_study
from webapp import forms
from webapp.areas import STEPPING_ROLES
from webapp.pages.managing.acting import Acting, acting, problem, several
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.tables import statement

HERE = "/manage/records/"
PIECE = 1024 * 1024  # bytes


def routes(rooms: Rooms) -> APIRouter:
    """Return the page of records, the backup and the exports."""
    router = APIRouter()
    Who = Annotated[Acting, Depends(acting(rooms))]

    @router.get("/records/")
    @router.get("/records", include_in_schema=False)
    def shown(who: Who) -> HTMLResponse:
        return _page(who)

    @router.post("/records/verify")
    def verify(who: Who) -> HTMLResponse:
        verdict = integrity.verify(who.database)
        words = who.words
        if verdict.intact:
            said = statement(words("manage.intact", rows=verdict.rows, head=verdict.head[:16]), "good")
        else:
            said = several(words("manage.not_intact"), [refusal(line, words) for line in verdict.problems])
        return _page(who, said)

    @router.post("/records/backup")
    def copy(who: Who) -> Response:
        if who.user.role not in STEPPING_ROLES:
            return _page(who, statement(who.words("manage.no_such_page"), "problem"), 403)
        handle, name = mkstemp(prefix="backup-", dir=rooms.settings.data)
        target = Path(name)
        try:
            open(handle, "wb").close()
            target.unlink()
            backup(who.database, target)
        except StudyError as error:
            return _page(who, *problem(error, who.words))
        headers = {
            "Content-Disposition": f'attachment; filename="retizero-{who.database.clock():%Y%m%d-%H%M}.db"'
        }
        return StreamingResponse(_and_gone(target), media_type="application/vnd.sqlite3", headers=headers)

    @router.get("/studies/{study}/export.zip")
    def export(study: str, who: Who) -> Response:
        with TemporaryDirectory() as folder:
            try:
                files = export_study(who.database, study, Path(folder) / "export", actor_id=who.user.id)
            except StudyError as error:
                told, code = problem(error, who.words)
                return who.page(study, HERE, told, 403 if code == 422 else code)
            packed = Path(folder) / "export.zip"
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in files:
                    archive.write(file, file.name)
            body = packed.read_bytes()
        headers = {"Content-Disposition": 'attachment; filename="export.zip"'}
        return Response(body, media_type="application/zip", headers=headers)

    return router


def _and_gone(file: Path) -> Iterator[bytes]:
    """The bytes of a file, which is deleted when they were sent or nobody listens any more."""
    try:
        with file.open("rb") as source:
            while piece := source.read(PIECE):
                yield piece
    finally:
        file.unlink(missing_ok=True)


def _page(who: Acting, said: str = "", code: int = 200) -> HTMLResponse:
    words = who.words
    checking = f"""<section><h2>{escape(words("manage.verify"))}</h2>
<p>{escape(words("manage.verify_help"))}</p>
{forms.form(HERE + "verify", submit=words("manage.verify_now"))}</section>"""
    title = words("manage.nav_records")
    body = f'<h1>{escape(title)}</h1>{said}<div class="rz-panes">{checking}{_copying(who)}</div>'
    return who.page(title, HERE, body, code)


def _copying(who: Acting) -> str:
    """The way to a backup, for those who may have one."""
    words = who.words
    if who.user.role not in STEPPING_ROLES:
        return ""
    told = words("manage.backup_help" if who.database.is_sqlite else "manage.backup_postgresql")
    button = forms.form(HERE + "backup", submit=words("manage.download_backup"))
    return (
        f"<section><h2>{escape(words('manage.backup'))}</h2><p>{escape(told)}</p>"
        f"{button if who.database.is_sqlite else ''}</section>"
    )
