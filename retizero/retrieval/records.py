"""What a gallery knows about each photograph, and what a search returns."""

from dataclasses import dataclass

# Cosine similarity from which two files are taken for one photograph.
NEAR_DUPLICATE = 0.998


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
        site: The hospital or screening place, empty where not stated.
    """

    id: str
    image: str
    label: str
    group: str
    source: str = ""
    synthetic: bool = False
    path: str = ""
    site: str = ""


COLUMNS = ("id", "image", "label", "group", "source", "synthetic", "path", "site")


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

    @property
    def is_near_duplicate(self) -> bool:
        """Whether the query is probably the same photograph, perhaps saved again or scaled."""
        return self.similarity >= NEAR_DUPLICATE


@dataclass(frozen=True)
class Summary:
    """Counts over a whole gallery.

    Attributes:
        n: Photographs.
        groups: Different patients.
        synthetic: Rendered photographs.
        labels: Photographs per label text, most frequent first.
        sources: Photographs per source.
        sites: Photographs per site.
        size: Bytes on disk, None where a database does not tell.
    """

    n: int
    groups: int
    synthetic: int
    labels: dict[str, int]
    sources: dict[str, int]
    sites: dict[str, int]
    size: int | None
