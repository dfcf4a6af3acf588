"""What a gallery knows about each photograph, and what a search returns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One photograph of a gallery.

    Attributes:
        id: Unique in the gallery.
        image: The photograph as its manifest names it.
        label: What it shows; several labels are separated by ``; ``.
        group: The patient; photographs of one group can be kept out of each other's results.
        source: Where it comes from, empty where not stated.
        synthetic: Whether it was rendered and is no photograph of a person.
        path: Where the file lies, relative to the gallery's folder; empty where not stored.
    """

    id: str
    image: str
    label: str
    group: str
    source: str = ""
    synthetic: bool = False
    path: str = ""


@dataclass(frozen=True)
class Neighbour:
    """One result of a search.

    Attributes:
        id: The record's id.
        image: The record's image.
        label: The record's label.
        similarity: Cosine similarity, -1 to 1.
        record: Everything the gallery knows about it.
    """

    id: str
    image: str
    label: str
    similarity: float
    record: Record
