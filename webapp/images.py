"""Study photographs leave the server here and nowhere else: token in, lossless metadata-free PNG out."""

from io import BytesIO

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from PIL import Image

from reader_study import conduct
from reader_study.database import Database
from reader_study.errors import StudyError
from retizero.data import crop_to_field, read_image
from webapp.sessions import signed_in_user

LONGEST_SIDE = 4096  # pixels; larger photographs are scaled down to this


def to_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Encode an RGB image (H, W, 3) uint8 as PNG without any metadata chunk."""
    out = BytesIO()
    Image.fromarray(image).save(out, format="PNG", optimize=False, compress_level=3)
    return out.getvalue()


def prepare_for_reading(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Crop a photograph (H, W, 3) to its field of view on a square canvas, at most 4096 px a side.

    The same canvas for every case leaves no border or aspect ratio that tells which data set it came from.
    """
    square = crop_to_field(image)
    if square.shape[0] > LONGEST_SIDE:
        size = (LONGEST_SIDE, LONGEST_SIDE)
        square = np.asarray(Image.fromarray(square).resize(size, Image.Resampling.LANCZOS))
    return square


def routes(database: Database) -> APIRouter:
    """Return ``/image/{token}``: bound to reader, case and period by the study's own rules."""
    router = APIRouter()

    @router.get("/image/{token}")
    def image(token: str, request: Request) -> Response:
        headers = {"Cache-Control": "no-store, private", "X-Content-Type-Options": "nosniff"}
        user = signed_in_user(database, request.headers)
        if user is None:
            return PlainTextResponse("Sign in first.", 401, headers)
        try:
            path = conduct.image_for(database, user.id, token)
        except StudyError:
            return PlainTextResponse("There is no such image for you now.", 404, headers)
        content = to_png(prepare_for_reading(read_image(path)))
        return Response(content, media_type="image/png", headers=headers)

    return router
