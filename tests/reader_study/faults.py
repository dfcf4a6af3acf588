"""Break a study on purpose: kill its process, fill its disk, cut its power; then count what was lost.

A child process reads cases and writes down every answer that it was told is stored (acknowledged). It is
forked, so that it starts in no time, and killed with SIGKILL or stopped at a random moment.
"""

import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from reader_study import conduct, integrity
from reader_study.accounts import NewAccount, create_users
from reader_study.answers import Answer
from reader_study.case_list import StudyCase
from reader_study.database import Database
from reader_study.design import create_study
from reader_study.errors import DatabaseError
from reader_study.protocol import Protocol
from reader_study.records import ReadingRecord
from reader_study.states import open_study
from reader_study.tokens import token_hash

ANSWER = Answer(("glaucoma", "an odd cup"), 3, "seen")


@dataclass
class Damage:
    """What the faults did.

    Attributes:
        runs: how often the process was broken.
        in_flight: in how many of these an answer was on its way.
        acknowledged: answers that the child was told are stored.
        lost: acknowledged answers that are not there.
        doubled: places with more than one answer.
        broken: runs after which ``verify`` found something.
        astray: runs after which a reader was given another case than the next one.
        refused: answers that were refused with one sentence.
    """

    runs: int = 0
    in_flight: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    broken: int = 0
    astray: int = 0
    refused: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def none(self) -> bool:
        """Whether nothing was lost, doubled or broken."""
        return not (self.lost or self.doubled or self.broken or self.astray)


def prepare(url: str, folder: Path, *, readers: int, cases: int) -> None:
    """Make an open study; one photograph serves as every case."""
    database = Database(url)
    database.create()
    image = folder / "photograph.png"
    image.write_bytes(b"photograph")
    create_users(database, [NewAccount(f"r{number}", None) for number in range(readers)])
    listed = [StudyCase(f"C{number:04}", image, ("glaucoma",)) for number in range(cases)]
    create_study(database, Protocol("pilot", "Pilot", label_set="demo14", seed=7), listed)
    open_study(database, "pilot", without_model=True)
    database.close()


def reader_ids(database: Database) -> list[str]:
    """The study's readers."""
    from reader_study.records import UserRecord

    with database.session() as session:
        return list(session.scalars(select(UserRecord.id).order_by(UserRecord.username)))


def read_on(url: str, log: Path, before: Callable[[], None] = lambda: None) -> None:
    """Read case after case, writing ``try`` before and ``ack`` after each answer, to the end."""
    database = Database(url)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    before()
    for reader in reader_ids(database):
        while (reading := conduct.next_reading(database, reader)) is not None:
            conduct.image_for(database, reader, reading.token)
            os.write(out, f"try {token_hash(reading.token)} {time.monotonic()}\n".encode())
            conduct.submit(database, reader, reading.token, ANSWER)
            os.write(out, f"ack {token_hash(reading.token)} {time.monotonic()}\n".encode())


def fork(work: Callable[[], None]) -> int:
    """Run something in a child process that never returns here."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except DatabaseError:
            status = 3
        finally:
            os._exit(status)
    return child


def acknowledged(log: Path) -> tuple[list[str], bool]:
    """The answers told to be stored, and whether one was on its way."""
    lines = log.read_text().splitlines() if log.exists() else []
    acks = [line.split()[1] for line in lines if line.startswith("ack ")]
    return acks, bool(lines) and lines[-1].startswith("try ")


def submit_seconds(log: Path) -> list[float]:
    """How long each acknowledged answer took."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    began = {token: float(at) for word, token, at in lines if word == "try"}
    return [float(at) - began[token] for word, token, at in lines if word == "ack"]


def tries(log: Path) -> int:
    """How many answers were begun."""
    return log.read_text().count("try ") if log.exists() else 0


def examine(url: str, log: Path, damage: Damage) -> None:
    """Compare a database with what was acknowledged."""
    acks, _ = acknowledged(log)
    database = Database(url)
    with database.session() as session:
        rows = session.scalars(select(ReadingRecord).order_by(ReadingRecord.id)).all()
    stored = {row.token_hash for row in rows}
    damage.acknowledged = max(damage.acknowledged, len(acks))
    damage.lost += len([token for token in acks if token not in stored])
    damage.doubled += len(rows) - len({row.assignment_id for row in rows})
    verdict = integrity.verify(database)
    damage.broken += not verdict.intact
    damage.notes += verdict.problems[:3]
    for reader in reader_ids(database):
        done = sum(row.reader_id == reader for row in rows)
        reading = conduct.next_reading(database, reader)
        if reading is not None:
            damage.astray += reading.number != done + 1
            break
    database.close()


def kill_during_submits(
    url: str, folder: Path, times: int, seed: int, progress: Callable[[Damage], None] = lambda _: None
) -> Damage:
    """Kill -9 a reading process at random moments; examine after each, and tell how it stands."""
    rng = random.Random(seed)
    damage, log = Damage(), folder / "acknowledged.log"
    for _ in range(times):
        seen, few = tries(log), rng.randint(1, 3)
        usual = sorted(submit_seconds(log)[-50:] or [0.02])
        child = fork(lambda: read_on(url, log))
        # The kill falls around a submit: some time after an answer was begun, as long as one usually takes.
        deadline = time.monotonic() + 120
        while tries(log) < seen + few and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 1.5 * usual[len(usual) // 2]))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        damage.runs += 1
        damage.in_flight += acknowledged(log)[1]
        examine(url, log, damage)
        progress(damage)
    return damage


def cut_the_power(file: Path, folder: Path, times: int, seed: int) -> Damage:
    """Copy database and log while a process writes, tear the log at a random byte, and open the copy.

    The process is stopped for the copy, as a power cut stops everything at once. What it had begun to write
    after the last acknowledged answer reaches the disk only in part: the log is cut within it.
    """
    rng = random.Random(seed)
    damage, log = Damage(), folder / "power.log"
    child = fork(lambda: read_on(f"sqlite:///{file}", log))
    ended = False
    try:
        for number in range(times):
            known = len(acknowledged(log)[0])
            os.kill(child, signal.SIGCONT)
            while len(acknowledged(log)[0]) <= known and not ended:
                ended = os.waitpid(child, os.WNOHANG) != (0, 0)
                time.sleep(0.002)
            if ended:
                break
            first = _frozen_copy(child, file, log, folder / f"cut-{number}")
            os.kill(child, signal.SIGCONT)
            time.sleep(rng.uniform(0, 0.03))
            second = _frozen_copy(child, file, log, folder / f"later-{number}")
            _tear(first, second, rng)
            for copy in (first, second):
                damage.runs += 1
                damage.in_flight += acknowledged(copy.with_suffix(".log"))[1]
                examine(f"sqlite:///{copy}", copy.with_suffix(".log"), damage)
                shutil.rmtree(copy.parent)
    finally:
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return damage


def _frozen_copy(child: int, file: Path, log: Path, folder: Path) -> Path:
    """Stop the process, which stays stopped, and copy what lies on the disk."""
    os.kill(child, signal.SIGSTOP)
    time.sleep(0.002)
    folder.mkdir()
    copy = folder / file.name
    shutil.copyfile(file, copy)
    shutil.copyfile(log, copy.with_suffix(".log"))
    wal = file.with_name(file.name + "-wal")
    if wal.exists():
        shutil.copyfile(wal, copy.with_name(copy.name + "-wal"))
    return copy


def _tear(first: Path, second: Path, rng: random.Random) -> None:
    """Add to the first copy's log a torn part of what the second wrote after it, if the log went on."""
    early, late = (copy.with_name(copy.name + "-wal") for copy in (first, second))
    if not early.exists() or first.read_bytes() != second.read_bytes():
        return
    before, after = early.read_bytes(), late.read_bytes()
    if after.startswith(before) and len(after) > len(before):
        early.write_bytes(after[: rng.randrange(len(before), len(after))])


def fill_the_disk(file: Path, folder: Path, room: int) -> Damage:
    """Let a process read until its files may not grow any more, then go on with room again."""
    damage, log = Damage(), folder / "full.log"
    wal = file.with_name(file.name + "-wal")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        largest = max(path.stat().st_size for path in (file, wal) if path.exists()) + room
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    child = fork(lambda: read_on(f"sqlite:///{file}", log, limit))
    _, status = os.waitpid(child, 0)
    damage.runs += 1
    damage.refused += os.waitstatus_to_exitcode(status) == 3
    damage.in_flight += acknowledged(log)[1]
    examine(f"sqlite:///{file}", log, damage)
    child = fork(lambda: read_on(f"sqlite:///{file}", log))
    _, status = os.waitpid(child, 0)
    damage.runs += 1
    damage.broken += os.waitstatus_to_exitcode(status) != 0
    examine(f"sqlite:///{file}", log, damage)
    return damage
