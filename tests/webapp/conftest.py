"""A blind study on the running server, made beside its demo study, and people who take part in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from PIL import Image, PngImagePlugin

from reader_study.accounts import create_user
from reader_study.case_list import StudyCase
from reader_study.database import Database
from reader_study.design import create_study
from reader_study.protocol import Protocol
from reader_study.states import freeze_predictions, open_study
from retizero import phantom
from tests.running_server import RunningServer

STUDY = "blind"
PASSWORD = "a long enough password"
TRUTHS = ("glaucoma", "drusen", "macular-hole", "normal-fundus", "retinitis-pigmentosa", "cataract")
SECRETS = ("SECRETNAME", "Doe^Jane", "ODIR-5K", "macularSecret", "profileSecret")
"""What stands in names and metadata of the photographs and must never reach a reader."""
READERS = ("ana", "ben", "cid", "eve")
PEOPLE = (
    ("ana", "reader", "oslo"),
    ("ben", "reader", "lima"),
    ("cid", "reader", "oslo"),
    ("eve", "reader", "oslo"),
    ("cora", "coordinator", "oslo"),
    ("mira", "manager", ""),
    ("stan", "statistician", ""),
)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass(frozen=True)
class BlindStudy:
    """A study that is open on a running server, with three readers, a coordinator and a manager."""

    server: RunningServer
    database: Database
    people: dict[str, str] = field(repr=False)  # user name -> user id

    @contextmanager
    def sign_in(self, username: str, **headers: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.server.url, timeout=180, headers=headers) as client:
            answer = client.post("/login", data={"username": username, "password": PASSWORD})
            assert answer.status_code == 303, answer.text[:300]
            yield client

    def case(self, client: httpx.Client) -> dict:
        return client.get(f"/read/case?study={STUDY}").json()

    def answer(self, client: httpx.Client, token: str, /, **change: object) -> httpx.Response:
        body = {"token": token, "ranks": ["drusen", "glaucoma"], "confidence": 3, "comment": ""} | change
        return client.post("/read/submit", json=body)


def write_photograph(folder: Path, number: int, label: str) -> Path:
    """A phantom in a file whose name and metadata give everything away."""
    path = folder / f"SECRETNAME-{label}-{number}.png"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "Doe^Jane macularSecret")
    text.add_itxt("XML:com.adobe.xmp", "<x>ODIR-5K</x>")
    exif = Image.Exif()
    exif[0x010E] = f"ODIR-5K {label}"
    image = Image.fromarray(phantom.render(label, seed=900 + number, size=360 + 40 * (number % 2)))
    image.save(path, pnginfo=text, exif=exif, icc_profile=b"profileSecret" * 20)
    return path


@pytest.fixture(scope="session")
def blind(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlindStudy]:
    """Readers ana, ben, cid at sites oslo and lima; coordinator cora of oslo; manager mira."""
    folder = tmp_path_factory.mktemp("SECRETNAME-patients")
    database = Database(f"sqlite:///{server.data / 'retizero.db'}", password_hasher=CHEAP)
    people = {}
    for username, role, site in PEOPLE:
        people[username] = create_user(database, username, PASSWORD, role=role, site=site).id
    cases = [
        StudyCase(f"C{n:03}", write_photograph(folder, n, label), (label,), established_by="SECRETNAME panel")
        for n, label in enumerate(TRUTHS, 1)
    ]
    create_study(database, Protocol(STUDY, "A blind study", label_set="broad52", readers=READERS), cases)
    ranked = {case.case_id: [(case.truths[0], 0.8317), ("retinal-detachment", 0.11)] for case in cases}
    freeze_predictions(database, STUDY, ranked, {"id": "frozen-model", "weights_sha256": "0" * 64})
    open_study(database, STUDY)
    yield BlindStudy(server, database, people)
    database.close()


@pytest.fixture(scope="session")
def ana(blind: BlindStudy) -> Iterator[httpx.Client]:
    """Reader ana, signed in."""
    with blind.sign_in("ana") as client:
        yield client
