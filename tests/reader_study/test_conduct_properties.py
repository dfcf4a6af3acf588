"""No sequence of what readers, managers and time can do breaks the promises of a study."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from reader_study import accounts, conduct, integrity, states
from reader_study.case_list import StudyCase
from reader_study.conduct import Answer
from reader_study.database import Database
from reader_study.errors import ConductError, DesignError, NotAllowed, StudyError
from reader_study.records import AssignmentRecord, AuditRecord, ReadingRecord
from reader_study.results import results
from tests.reader_study.conftest import CHEAP, TRUTHS, TestClock, make_reader, make_study

READERS = st.integers(0, 2)
OWNER_OR_ANY = st.sampled_from([None, None, None, 0, 1, 2])
ENTRIES = st.sampled_from(
    ["glaucoma", "CRVO", "drusen", "normal-fundus", "ungradable", "odd thing", "", "\x00", 7]
)
GOOD = st.just(Answer(("glaucoma", "odd thing"), 3))
ANY = st.builds(
    Answer, st.lists(ENTRIES, max_size=6).map(tuple), st.sampled_from([1, 3, 5, 0, 99, True, None])
)
ANSWERS = st.one_of(GOOD, ANY)


class Study(RuleBasedStateMachine):
    """Two periods of three cases with a wash-out of seven days; three readers."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.clock = TestClock()
        self.database = Database(f"sqlite:///{self.folder / 's.db'}", clock=self.clock, password_hasher=CHEAP)
        self.database.create()
        cases = []
        for index, truth in enumerate(TRUTHS[:3]):
            image = self.folder / f"{index}.png"
            image.write_bytes(bytes([index + 1]))
            cases.append(StudyCase(f"C{index}", image, (truth,)))
        self.readers = [make_reader(self.database, f"r{index}") for index in range(3)]
        make_study(self.database, tuple(cases), periods=2, wash_out_days=7)
        self.state, self.tokens, self.done = "open", [], {}
        self.disabled = set()
        self.orders = self.stored_orders()
        self.chain = 0

    def teardown(self):
        if hasattr(self, "database"):
            self.database.close()
            shutil.rmtree(self.folder)

    def stored_orders(self):
        with self.database.session() as session:
            query = select(AssignmentRecord).order_by(AssignmentRecord.id)
            return [(row.reader_id, row.period, row.position, row.case_id) for row in session.scalars(query)]

    @rule(reader=READERS)
    def ask(self, reader):
        try:
            reading = conduct.next_reading(self.database, self.readers[reader].id)
        except NotAllowed:
            assert reader in self.disabled
            return
        if reading is not None:
            assert self.state == "open"
            self.tokens.append((reader, reading.token))

    @rule(reader=READERS, cases=st.integers(1, 4))
    def read_on(self, reader, cases):
        for _ in range(cases):
            try:
                reading = conduct.next_reading(self.database, self.readers[reader].id)
            except NotAllowed:
                return
            if reading is None:
                return
            self.tokens.append((reader, reading.token))
            given = conduct.submit(
                self.database, self.readers[reader].id, reading.token, Answer(("glaucoma",), 3)
            )
            self.done[reading.token] = given.reading_id

    @precondition(lambda self: self.tokens)
    @rule(reader=OWNER_OR_ANY, pick=st.integers(1, 4), answer=ANSWERS)
    def answer(self, reader, pick, answer):
        owner, token = self.tokens[-min(pick, len(self.tokens))]
        reader = owner if reader is None else reader
        try:
            given = conduct.submit(self.database, self.readers[reader].id, token, answer)
        except (ConductError, NotAllowed):
            assert token not in self.done or reader != owner or reader in self.disabled
            return
        assert reader == owner
        assert given.replayed == (token in self.done)
        assert self.done.setdefault(token, given.reading_id) == given.reading_id
        assert given.replayed or self.state == "open"

    @precondition(lambda self: self.tokens)
    @rule(reader=OWNER_OR_ANY, pick=st.integers(1, 4))
    def look(self, reader, pick):
        owner, token = self.tokens[-min(pick, len(self.tokens))]
        reader = owner if reader is None else reader
        try:
            conduct.image_for(self.database, self.readers[reader].id, token)
        except (ConductError, NotAllowed):
            return
        assert reader == owner
        assert token not in self.done
        assert self.state == "open"

    @rule(hours=st.sampled_from([-3, 1, 13, 100, 200]))
    def wait(self, hours):
        self.clock.move(hours=hours)

    @rule(
        step=st.sampled_from(
            [states.open_study, states.lock_study, states.unblind_study, states.archive_study]
        )
    )
    @precondition(lambda self: len(self.tokens) > 3)
    def change_state(self, step):
        after = {
            states.open_study: "open",
            states.lock_study: "locked",
            states.unblind_study: "unblinded",
            states.archive_study: "archived",
        }[step]
        order = ["draft", "open", "locked", "unblinded", "archived"]
        try:
            step(self.database, "pilot")
        except DesignError:
            return
        assert order.index(after) == order.index(self.state) + 1
        self.state = after

    @rule(reader=READERS)
    @precondition(lambda self: len(self.tokens) > 3)
    def disable(self, reader):
        accounts.disable_user(self.database, f"r{reader}")
        self.disabled.add(reader)

    @rule(reader=READERS)
    def peek_at_results(self, reader):
        try:
            results(self.database, self.readers[reader].id, "pilot", resamples=100)
        except StudyError:
            assert self.state not in ("unblinded", "archived") or reader in self.disabled
        else:
            assert self.state in ("unblinded", "archived")

    @invariant()
    def promises_hold(self):
        if not hasattr(self, "database"):
            return
        assert self.stored_orders() == self.orders
        with self.database.session() as session:
            readings = session.scalars(select(ReadingRecord).order_by(ReadingRecord.id)).all()
            places = {row.id: row for row in session.scalars(select(AssignmentRecord))}
            chain = session.scalar(select(AuditRecord.id).order_by(AuditRecord.id.desc()))
        assert sorted(reading.id for reading in readings) == sorted(self.done.values())
        assert max(Counter(reading.assignment_id for reading in readings).values(), default=1) == 1
        for reader in self.readers:
            mine = [places[reading.assignment_id] for reading in readings if reading.reader_id == reader.id]
            assert [(place.period, place.position) for place in mine] == [
                (1, 1),
                (1, 2),
                (1, 3),
                (2, 1),
                (2, 2),
                (2, 3),
            ][: len(mine)]
            times = [reading.submitted_at for reading in readings if reading.reader_id == reader.id]
            if len(times) > 3:
                assert (times[3] - max(times[:3])).days >= 7
        assert chain >= self.chain
        self.chain = chain
        assert integrity.verify(self.database).intact


Study.TestCase.settings = settings(
    max_examples=8,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestStudy = Study.TestCase
