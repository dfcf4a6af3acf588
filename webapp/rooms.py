"""What the pages work with, gathered once at start."""

from dataclasses import dataclass
from pathlib import Path

from reader_study.database import Database
from retizero.retrieval import Gallery
from retizero.serving import Engine
from webapp.settings import Settings


@dataclass(frozen=True)
class Rooms:
    """The model, its gallery, the study database and the settings of a running server."""

    engine: Engine
    gallery: Gallery
    gallery_folder: Path
    examples: tuple[Path, ...]
    database: Database
    settings: Settings
