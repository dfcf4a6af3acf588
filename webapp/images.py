"""Study photographs leave the server here and nowhere else: token in, lossless metadata-free PNG out."""

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from reader_study import conduct
from reader_study.database import Database
from reader_study.errors import StudyError
from reader_study.photographs import photographs_beside
from webapp.photographs import Photographs
from webapp.sessions import signed_in_user

CLOSED = {"Cache-Control": "no-store, private", "X-Content-Type-Options": "nosniff"}
AT_ONCE = 8  # threads for images; a study being prepared never holds up answers


def routes(database: Database, photographs: Photographs) -> APIRouter:
    """Return ``/image/{token}``: bound to reader, case and period by the study's own rules."""
    router = APIRouter()
    threads = CapacityLimiter(AT_ONCE)

    @router.get("/image/{token}")
    async def image(token: str, request: Request) -> Response:
        return await to_thread.run_sync(_image, database, photographs, token, request, limiter=threads)

    return router


def _image(database: Database, photographs: Photographs, token: str, request: Request) -> Response:
    user = signed_in_user(database, request.headers)
    if user is None:
        return PlainTextResponse("Sign in first.", 401, CLOSED)
    try:
        path = conduct.image_for(database, user.id, token)
        beside = photographs_beside(database, token)
        mine = next(photograph for photograph in beside if photograph.path == path)
        return Response(photographs.png(mine, beside), media_type="image/png", headers=CLOSED)
    except StudyError:
        return PlainTextResponse("There is no such image for you now.", 404, CLOSED)
    except OSError:
        return PlainTextResponse("The photograph cannot be prepared; tell the study's manager.", 503, CLOSED)
