"""What a server needs before its first visitor: database, phantom gallery, examples, the demo study.

Everything made here is rendered by ``retizero.phantom`` and marked synthetic. A second start finds it.
"""

import os
import sys
from pathlib import Path

import numpy as np

from reader_study.database import Clock, Database, utc_now
from reader_study.demo import DemoAccount, DemoCase, create_demo_study, demo_exists
from retizero import phantom
from retizero.data import Manifest, read_image, read_manifest
from retizero.knowledge import label_set, load_catalogue
from retizero.model.zero_gpu import announce
from retizero.retrieval import CurrentGallery, Gallery, GalleryError, Record
from retizero.retrieval.embedding import embed_rows
from retizero.serving import Engine
from webapp.blinding import Blinding
from webapp.models import Models
from webapp.photographs import Photographs
from webapp.rooms import Rooms
from webapp.settings import Settings

GALLERY_SIZE = 104  # four of each phantom diagnosis
EXAMPLES = 8
DEMO_CASES = 12
DEMO_LABELS = "fundus42"  # the list the embedded model is calibrated on
RARE = ("rare",)
GALLERY_SEED, EXAMPLES_SEED, STUDY_SEED = 11, 23, 37


def prepare(settings: Settings, clock: Clock = utc_now) -> Rooms:
    """Load the model and make, or find, everything the pages need.

    Args:
        settings: what the server was told.
        clock: the time of the study; tests inject their own.

    Raises:
        ValueError: the model or the database cannot be opened; the message says what to change.
        OSError: the data folder cannot be written.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    engine = Engine.load(settings.model, settings.device, settings.data / "prompts.sqlite", settings.compile)
    announce()
    _say(f"Model {engine.identity.id} answers on {engine.model.device}, {engine.identity.arithmetic}.")
    database = Database(settings.database_url, clock=clock)
    database.create()
    examples = _phantoms(settings.data / "examples", EXAMPLES, EXAMPLES_SEED)
    if settings.demo_study and not demo_exists(database):
        _tell_accounts(_demo_study(settings, engine, database), settings.data / "demo-accounts.txt")
    return Rooms(
        engine=engine,
        gallery=CurrentGallery(_gallery(settings.data / "gallery", engine)),
        gallery_folder=settings.data / "gallery",
        examples=tuple(row.image for row in examples.rows),
        database=database,
        settings=settings,
        models=Models(engine, settings.device),
        photographs=Photographs(settings.data / "prepared"),
        blinding=Blinding(database),
    )


def _phantoms(folder: Path, n: int, seed: int) -> Manifest:
    """Return the manifest of a folder of phantoms, rendering them if they are not all there."""
    manifest = folder / "manifest.csv"
    if not manifest.exists():
        _say(f"Rendering {n} synthetic photographs into {folder} ...")
        phantom.write_dataset(folder, n, seed=seed)
    return read_manifest(manifest)


def _gallery(folder: Path, engine: Engine) -> Gallery:
    """Open the gallery, building it from phantoms where there is none made by this model."""
    index = folder / "index"
    try:
        gallery = Gallery.open(index)
        gallery.require(engine.identity.to_dict())
        return gallery
    except GalleryError:
        pass
    rows = _phantoms(folder, GALLERY_SIZE, GALLERY_SEED).rows
    _say(f"Embedding {len(rows)} photographs ...")
    embedded = embed_rows(rows, engine, "Embedding the gallery")
    if embedded.problems:
        raise GalleryError(
            f"{len(embedded.problems)} rendered photographs cannot be read. {embedded.problems[0]}"
        )
    records = [
        Record(
            id=row.image.stem,
            image=str(row.image.relative_to(folder.resolve())),
            label=row.label,
            group=row.group,
            source=row.source,
            synthetic=True,
        )
        for row in rows
    ]  # fmt: skip
    return Gallery.build(index, embedded.vectors, records, engine.identity.to_dict(), kind="flat")


def _demo_study(settings: Settings, engine: Engine, database: Database) -> tuple[DemoAccount, ...]:
    """Create the synthetic study and freeze this model's predictions for its cases."""
    catalogue = load_catalogue()
    labels = label_set(DEMO_LABELS)
    rows = _phantoms(settings.data / "demo-study", DEMO_CASES, STUDY_SEED).rows
    cases, predictions = [], {}
    for number, row in enumerate(rows, start=1):
        case_id = f"P{number:03d}"
        truth = catalogue[row.label]
        cases.append(DemoCase(case_id, row.image, truth.id, truth.rarity in RARE))
        probabilities = engine.similarity(engine.embed_image([read_image(row.image)]), labels)[0]
        best = np.argsort(-probabilities)[:10]
        predictions[case_id] = [(labels.ids[i], float(probabilities[i])) for i in best]
    return create_demo_study(
        database, cases, predictions=predictions, identity=engine.identity.to_dict(), label_set=DEMO_LABELS
    )


def _tell_accounts(accounts: tuple[DemoAccount, ...], file: Path) -> None:
    """Print the demo accounts once and keep them in a file only the owner can read."""
    lines = [f"{a.role:<9} {a.username:<12} {a.password}" for a in accounts]
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    _say("Accounts of the demo study (also in " + str(file) + "):\n  " + "\n  ".join(lines))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
