"""The managers' HTTP routes, all below ``/manage``, gathered from the pages of this room."""

from fastapi import APIRouter

from webapp.pages.managing import accounts, create, judging, packages, records, studies
from webapp.rooms import Rooms


def routes(rooms: Rooms) -> APIRouter:
    """Return every route of the room; the area guard has let only managing roles through."""
    router = APIRouter()
    # ``studies`` comes last: its ``/studies/{study}/{step}`` would take the paths of the others.
    for page in (create, accounts, judging, packages, records, studies):
        router.include_router(page.routes(rooms), prefix="/manage")
    return router
