"""What the pages work with, gathered once at start."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from reader_study.database import Database
from retizero.retrieval import CurrentGallery
from retizero.serving import Engine
from webapp.blinding import Blinding
from webapp.models import Models
from webapp.photographs import Photographs
from webapp.settings import Settings


@dataclass(frozen=True)
class Rooms:
    """The model, its gallery, the study database with its photographs, and the settings of a server."""

    engine: Engine
    gallery: CurrentGallery
    gallery_folder: Path
    examples: tuple[Path, ...]
    database: Database
    settings: Settings
    models: Models
    photographs: Photographs
    blinding: Blinding

    def with_model(self, id: str | None) -> Self:
        """The same rooms with the engine of a model that is here; raises as ``Models.engine``."""
        return replace(self, engine=self.models.engine(id))
