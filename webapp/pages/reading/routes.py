"""The reader's HTTP routes: what comes next, suggestions, events, answers. The session says who is asking."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr, ValidationError
from starlette.concurrency import run_in_threadpool

from reader_study import aid, conduct, consent, corrections, own_data, profile
from reader_study.accounts import User
from reader_study.database import Database
from reader_study.errors import AlreadyAnswered, StudyError
from retizero.knowledge import Disease, load_catalogue
from webapp.language import Language
from webapp.pages.reading.state import (
    case_page,
    desk_state,
    feedback_page,
    own_answer,
    own_place,
    shown_name,
    studies_page,
)
from webapp.refusals import refusal
from webapp.sessions import language_of, signed_in_user

SUGGESTIONS = 8
Form = TypeVar("Form", bound=BaseModel)
MAX_BODY = 64 * 1024  # bytes of one answer


class SubmittedAnswer(BaseModel):
    """What the desk sends; types are strict, limits are the study's own (``conduct``)."""

    model_config = ConfigDict(extra="forbid")

    token: StrictStr
    ranks: list[StrictStr]
    confidence: StrictInt
    comment: StrictStr = ""
    findings: list[StrictStr] = []
    reason: StrictStr = ""


class Agreement(BaseModel):
    """Consent to the text with this SHA-256."""

    model_config = ConfigDict(extra="forbid")

    study: StrictStr
    sha256: StrictStr


class ProfileForm(BaseModel):
    """What a reader tells of themselves."""

    model_config = ConfigDict(extra="forbid")

    study: StrictStr
    country: StrictStr
    specialty: StrictStr
    years: StrictInt
    site: StrictStr = ""


class Place(BaseModel):
    """An answered place in the reader's own order."""

    model_config = ConfigDict(extra="forbid")

    study: StrictStr
    period: StrictInt
    number: StrictInt


def routes(database: Database) -> APIRouter:
    """Return the routes below ``/read``; the area guard has let only readers through."""

    def reader(request: Request) -> User:
        user = getattr(request.state, "user", None) or signed_in_user(database, request.headers)
        if user is None:
            raise HTTPException(401, "Sign in first.")
        return user

    Reader = Annotated[User, Depends(reader)]
    router = APIRouter(prefix="/read")

    @router.get("/case")
    def case(request: Request, user: Reader, study: str = "") -> JSONResponse:
        return JSONResponse(desk_state(database, user, language_of(request), study or None))

    @router.get("/studies")
    def studies(request: Request, user: Reader) -> JSONResponse:
        return JSONResponse(studies_page(database, user, language_of(request)))

    @router.get("/suggest")
    def suggest(request: Request, user: Reader, q: str = "") -> JSONResponse:
        words = language_of(request)
        catalogue = load_catalogue()
        found = catalogue.suggest(q[:200], limit=SUGGESTIONS)
        exact = catalogue.resolve(q[:200]).id
        return JSONResponse([{"id": d.id, "label": _shown(d, words), "exact": d.id == exact} for d in found])

    @router.post("/event/{token}/{kind}")
    def event(token: str, kind: str, request: Request, user: Reader) -> JSONResponse:
        return _told(lambda: conduct.note_event(database, user.id, token, kind), 409, language_of(request))

    @router.get("/aid/{token}")
    def shown_aid(token: str, request: Request, user: Reader) -> JSONResponse:
        words = language_of(request)
        return _told(lambda: _aid(database, user, token, words), 404, words)

    @router.get("/aid/{token}/map/{rank}")
    def evidence_map(token: str, rank: int, request: Request, user: Reader) -> Response:
        return _png(lambda: aid.map_for(database, user.id, token, rank), language_of(request))

    @router.get("/aid/{token}/reference/{rank}")
    def reference(token: str, rank: int, request: Request, user: Reader) -> Response:
        return _png(lambda: aid.reference_image_for(database, user.id, token, rank), language_of(request))

    @router.get("/answers")
    def answers(study: str, request: Request, user: Reader) -> JSONResponse:
        words = language_of(request)
        return _told(lambda: _own_readings(database, user, study, words), 404, words)

    @router.get("/mine.json")
    def mine(user: Reader) -> JSONResponse:
        headers = {"Content-Disposition": 'attachment; filename="my-data.json"'}
        return JSONResponse(own_data.own_data(database, user.id), headers=headers)

    @router.post("/consent")
    async def agree(request: Request, user: Reader) -> JSONResponse:
        def do(sent: Agreement, words: Language) -> dict[str, Any]:
            consent.agree(database, user.id, sent.study, sent.sha256)
            return desk_state(database, user, words, sent.study)

        return await _answer(request, Agreement, do)

    @router.post("/profile")
    async def tell(request: Request, user: Reader) -> JSONResponse:
        def do(sent: ProfileForm, words: Language) -> dict[str, Any]:
            facts = {"country": sent.country, "specialty": sent.specialty, "site": sent.site}
            profile.save_profile(database, user.id, years=sent.years, **facts)
            return desk_state(database, user, words, sent.study)

        return await _answer(request, ProfileForm, do)

    @router.post("/correct")
    async def correct(request: Request, user: Reader) -> JSONResponse:
        def do(sent: Place, words: Language) -> dict[str, Any]:
            where = (sent.study, sent.period, sent.number)
            return case_page(corrections.open_correction(database, user.id, *where), words)

        return await _answer(request, Place, do)

    @router.post("/submit")
    async def submit(request: Request, user: Reader) -> JSONResponse:
        return await _answer(
            request, SubmittedAnswer, lambda sent, words: _submit(database, user, sent, words)
        )

    return router


async def _answer(
    request: Request, form: type[Form], do: Callable[[Form, Language], dict[str, Any]]
) -> JSONResponse:
    """Read a small JSON body, do what it asks for in a thread, and answer with the desk's next page."""
    words, body = language_of(request), bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return JSONResponse({"problem": refusal("The answer is too long.", words)}, 413)
    try:
        sent = form.model_validate_json(bytes(body))
    except ValidationError:
        sentence = "The answer could not be understood; reload the page and try again."
        return JSONResponse({"problem": refusal(sentence, words)}, 422)
    return await run_in_threadpool(_told, lambda: do(sent, words), 422, words)


def _told(do: Callable[[], object], status: int, words: Language) -> JSONResponse:
    """The JSON of what was done, or the sentence that says why not."""
    try:
        return JSONResponse(do() or {})
    except StudyError as error:
        return JSONResponse({"problem": refusal(error, words)}, status)


def _png(picture: Callable[[], bytes], words: Language) -> Response:
    try:
        return Response(picture(), media_type="image/png")
    except StudyError as error:
        return JSONResponse({"problem": refusal(error, words)}, 404)


def _submit(database: Database, user: User, sent: SubmittedAnswer, words: Language) -> dict[str, Any]:
    answer = conduct.Answer(
        ranks=tuple(sent.ranks),
        confidence=sent.confidence,
        comment=sent.comment,
        findings=tuple(sent.findings),
    )
    try:
        stored = conduct.submit(database, user.id, sent.token, answer, sent.reason)
    except AlreadyAnswered:
        # Another tab answered this case; this one goes on to the next.
        return desk_state(database, user, words, None)
    then = desk_state(database, user, words, stored.study)
    return feedback_page(stored.feedback, words, then) if stored.feedback and not stored.replayed else then


def _aid(database: Database, user: User, token: str, words: Language) -> dict[str, Any]:
    shown = aid.aid_for(database, user.id, token)
    return {
        "model": shown.model,
        "entries": [
            {
                "rank": e.rank,
                "label": shown_name(e.diagnosis, words),
                "score": e.score,
                "map": e.rank in shown.maps,
            }
            for e in shown.entries
        ],
        "references": [
            {
                "rank": r.rank,
                "label": shown_name(r.diagnosis, words),
                "similarity": r.similarity,
                "image": r.has_image,
            }
            for r in shown.references
        ],
    }


def _own_readings(database: Database, user: User, study: str, words: Language) -> dict[str, Any]:
    rows = [
        {
            **asdict(own),
            "place": own_place(own, words),
            "answer": own_answer(own.answer, words),
            "submitted_at": f"{own.submitted_at:%Y-%m-%d %H:%M}",
        }
        for own in corrections.own_readings(database, user.id, study)
    ]
    return {"page": "answers", "study": study, "answers": rows}


def _shown(disease: Disease, words: Language) -> str:
    short = f" ({', '.join(disease.abbreviations[:2])})" if disease.abbreviations else ""
    name = disease.name[:1].upper() + disease.name[1:] + short
    return f"{disease.name_zh} · {name}" if words.code == "zh" else f"{name} · {disease.name_zh}"
