"""Image retrieval: a gallery of vectors and records, searched through FAISS."""

from retizero.retrieval.embedding import Embedded, ImageEncoder, embed_rows
from retizero.retrieval.errors import GalleryError
from retizero.retrieval.gallery import Gallery
from retizero.retrieval.index_kinds import KINDS
from retizero.retrieval.records import Neighbour, Record

__all__ = [
    "KINDS",
    "Embedded",
    "Gallery",
    "GalleryError",
    "ImageEncoder",
    "Neighbour",
    "Record",
    "embed_rows",
]
