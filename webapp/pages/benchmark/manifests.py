"""Which manifests a benchmark may read: those that whoever runs the server put in one folder, no others."""

from __future__ import annotations

from pathlib import Path

from webapp.settings import Settings

FOLDER = "manifests"
SYNTHETIC = "gallery/manifest.csv"  # rendered at the first start


def manifest_folder(settings: Settings) -> Path:
    """Where manifests are put: a folder inside the data folder."""
    return settings.data / FOLDER


def offered(settings: Settings) -> dict[str, Path]:
    """Manifests by the name that the page shows; the rendered gallery's comes last."""
    folder = manifest_folder(settings)
    found = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*.csv"))}
    synthetic = settings.data / SYNTHETIC
    return found | ({SYNTHETIC: synthetic} if synthetic.is_file() else {})
