"""The reader's HTTP routes: next case, suggestions, timing events, submit. The session says who is asking."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr

from reader_study import conduct
from reader_study.accounts import User
from reader_study.database import Database
from reader_study.errors import AlreadyAnswered, StudyError
from retizero.knowledge import Disease, load_catalogue
from webapp.language import Language
from webapp.sessions import language_of, signed_in_user

SUGGESTIONS = 8
MAX_BODY = 64 * 1024  # bytes of one submitted answer


class SubmittedAnswer(BaseModel):
    """What the desk sends; types are strict, limits are the study's own (``conduct``)."""

    model_config = ConfigDict(extra="forbid")

    token: StrictStr
    ranks: list[StrictStr]
    confidence: StrictInt
    comment: StrictStr = ""


def routes(database: Database) -> APIRouter:
    """Return the routes below ``/read``; the area guard has let only readers through."""

    def reader(request: Request) -> User:
        user = signed_in_user(database, request.headers)
        if user is None:
            raise HTTPException(401, "Sign in first.")
        return user

    Reader = Annotated[User, Depends(reader)]
    router = APIRouter(prefix="/read")

    @router.get("/case")
    def case(request: Request, user: Reader) -> JSONResponse:
        return JSONResponse(desk_state(database, user, language_of(request)))

    @router.get("/suggest")
    def suggest(request: Request, user: Reader, q: str = "") -> JSONResponse:
        words = language_of(request)
        catalogue = load_catalogue()
        found = catalogue.suggest(q[:200], limit=SUGGESTIONS)
        exact = catalogue.resolve(q[:200]).id
        return JSONResponse([{"id": d.id, "label": _shown(d, words), "exact": d.id == exact} for d in found])

    @router.post("/event/{token}/{kind}")
    def event(token: str, kind: str, user: Reader) -> JSONResponse:
        try:
            conduct.note_event(database, user.id, token, kind)
        except StudyError as error:
            return JSONResponse({"problem": str(error)}, 409)
        return JSONResponse({})

    @router.post("/submit")
    async def submit(request: Request, user: Reader) -> JSONResponse:
        from starlette.concurrency import run_in_threadpool

        if int(request.headers.get("content-length") or MAX_BODY + 1) > MAX_BODY:
            return JSONResponse({"problem": "The answer is too long."}, 413)
        try:
            sent = SubmittedAnswer.model_validate_json(await request.body())
        except ValueError:
            return JSONResponse(
                {"problem": "The answer could not be understood; reload the page and try again."}, 422
            )
        return await run_in_threadpool(_submit, database, user, sent, language_of(request))

    return router


def _submit(database: Database, user: User, sent: SubmittedAnswer, words: Language) -> JSONResponse:
    answer = conduct.Answer(ranks=tuple(sent.ranks), confidence=sent.confidence, comment=sent.comment)
    try:
        conduct.submit(database, user.id, sent.token, answer)
    except AlreadyAnswered:
        pass  # another tab answered this case; this one goes on to the next
    except StudyError as error:
        return JSONResponse({"problem": str(error)}, 422)
    return JSONResponse(desk_state(database, user, words))


def desk_state(database: Database, user: User, words: Language) -> dict[str, Any]:
    """Return what the desk shows now: the next case with its token, or a message in words."""
    reading = conduct.next_reading(database, user.id)
    if reading is None:
        return {"message": _why_nothing(database, user, words)}
    return {
        "token": reading.token,
        "title": reading.title,
        "number": reading.number,
        "total": reading.total,
        "position": words("read.case", number=reading.number, total=reading.total),
        "k": reading.k,
        "confidence_levels": reading.confidence_levels,
        "free_text": reading.free_text,
        "synthetic": reading.synthetic,
        "differential_help": words("read.differential_help", k=reading.k),
    }


def _why_nothing(database: Database, user: User, words: Language) -> str:
    standing = conduct.progress(database, user.id)
    waiting = [p.opens_at for p in standing if p.standing == "waiting" and p.opens_at]
    if waiting:
        return words("read.waiting", date=f"{min(waiting):%Y-%m-%d}")
    return words("read.done" if any(p.standing == "done" for p in standing) else "read.nothing")


def _shown(disease: Disease, words: Language) -> str:
    short = f" ({', '.join(disease.abbreviations[:2])})" if disease.abbreviations else ""
    name = disease.name[:1].upper() + disease.name[1:] + short
    return f"{disease.name_zh} · {name}" if words.code == "zh" else f"{name} · {disease.name_zh}"
