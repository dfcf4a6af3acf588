"""Image retrieval: a gallery of vectors and records in a folder or a database, searched by similarity."""

from retizero.retrieval.conditions import Conditions
from retizero.retrieval.current import CurrentGallery
from retizero.retrieval.embedding import Embedded, ImageEncoder, embed_rows
from retizero.retrieval.errors import GalleryError
from retizero.retrieval.gallery import Gallery
from retizero.retrieval.index_kinds import KINDS
from retizero.retrieval.records import NEAR_DUPLICATE, Neighbour, Record

__all__ = [
    "KINDS",
    "NEAR_DUPLICATE",
    "Conditions",
    "CurrentGallery",
    "Embedded",
    "Gallery",
    "GalleryError",
    "ImageEncoder",
    "Neighbour",
    "Record",
    "embed_rows",
]
