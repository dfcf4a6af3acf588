"""No sequence of what readers, managers and time can do breaks the promises of a study, in any design."""

import shutil
import tempfile
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from reader_study import accounts, aid, conduct, consent, corrections, integrity, states
from reader_study.case_list import StudyCase
from reader_study.conduct import Answer
from reader_study.database import Database
from reader_study.errors import ConductError, DesignError, NotAllowed, StudyError
from reader_study.records import ArmRecord, AssignmentRecord, AuditRecord, DisplayRecord, ReadingRecord
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
WASH_OUT = 7
DESIGNS = st.sampled_from(
    [
        {"periods": 2, "wash_out_days": WASH_OUT},
        {"design": "sequential"},
        {"design": "crossover", "wash_out_days": WASH_OUT, "corrections": True},
        {"design": "crossover", "wash_out_days": WASH_OUT, "consent": "I agree.", "repeats": 1},
        {"design": "split_plot", "arms": ("unaided", "aided"), "wash_out_days": WASH_OUT},
        {"design": "sequential", "corrections": True, "time_limit_seconds": 60},
    ]
)
STEPS = {
    "open": states.open_study,
    "locked": states.lock_study,
    "unblinded": states.unblind_study,
    "archived": states.archive_study,
}
STATES = ("draft", *STEPS)


class Study(RuleBasedStateMachine):
    """Three cases and one for practice, three readers, a design drawn at random."""

    @initialize(protocol=DESIGNS)
    def begin(self, protocol):
        self.folder = Path(tempfile.mkdtemp())
        self.clock = TestClock()
        self.database = Database(f"sqlite:///{self.folder / 's.db'}", clock=self.clock, password_hasher=CHEAP)
        self.database.create()
        cases = []
        for index, truth in enumerate(TRUTHS):
            image = self.folder / f"{index}.png"
            image.write_bytes(bytes([index + 1]))
            cases.append(StudyCase(f"C{index}", image, (truth,), practice=index == 3))
        self.readers = [make_reader(self.database, f"r{index}") for index in range(3)]
        make_study(self.database, tuple(cases), **protocol)
        self.protocol, self.state = protocol, "open"
        self.sequential = protocol.get("design") == "sequential"
        self.tokens, self.done, self.disabled, self.chain = [], {}, set(), 0
        self.orders = self.stored_orders()

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

    @rule(reader=READERS, cases=st.integers(1, 6), pause=st.sampled_from([0, 0, 100]))
    def read_on(self, reader, cases, pause):
        me = self.readers[reader].id
        for _ in range(cases):
            try:
                if self.protocol.get("consent") and self.state == "open":
                    asked = consent.consent_text(self.database, me, "pilot")
                    consent.agree(self.database, me, "pilot", asked.sha256)
                reading = conduct.next_reading(self.database, me)
            except NotAllowed:
                return
            if reading is None:
                return
            self.tokens.append((reader, reading.token))
            conduct.note_event(self.database, me, reading.token, "shown")
            self.clock.move(seconds=pause)
            if reading.aided:
                aid.aid_for(self.database, me, reading.token)
            given = conduct.submit(self.database, me, reading.token, Answer(("glaucoma",), 3))
            assert (given.feedback is not None) == (
                reading.practice and (not self.sequential or reading.step == 2)
            )
            self.done[reading.token] = given.reading_id

    @precondition(lambda self: self.tokens)
    @rule(reader=OWNER_OR_ANY, pick=st.integers(1, 4), answer=ANSWERS, reason=st.sampled_from(["", "slip"]))
    def answer(self, reader, pick, answer, reason):
        owner, token = self.tokens[-min(pick, len(self.tokens))]
        reader = owner if reader is None else reader
        try:
            given = conduct.submit(self.database, self.readers[reader].id, token, answer, reason)
        except (ConductError, NotAllowed):
            assert token not in self.done or reader != owner or reader in self.disabled
            return
        assert reader == owner
        assert given.replayed == (token in self.done)
        assert self.done.setdefault(token, given.reading_id) == given.reading_id
        assert given.replayed or self.state == "open"

    @precondition(lambda self: self.tokens)
    @rule(reader=OWNER_OR_ANY, pick=st.integers(1, 4), way=st.sampled_from([conduct.image_for, aid.aid_for]))
    def look(self, reader, pick, way):
        owner, token = self.tokens[-min(pick, len(self.tokens))]
        reader = owner if reader is None else reader
        try:
            way(self.database, self.readers[reader].id, token)
        except (ConductError, NotAllowed):
            return
        assert reader == owner
        assert token not in self.done
        assert self.state == "open"

    @rule(reader=READERS, period=st.integers(1, 2), number=st.integers(1, 5))
    def correct(self, reader, period, number):
        me = self.readers[reader].id
        try:
            opened = corrections.open_correction(self.database, me, "pilot", period, number)
        except (ConductError, NotAllowed):
            return
        assert self.protocol.get("corrections")
        assert self.state == "open"
        assert not (self.sequential and opened.step == 1)
        self.tokens.append((reader, opened.token))

    @rule(hours=st.sampled_from([-3, 1, 13, 100, 200]))
    def wait(self, hours):
        self.clock.move(hours=hours)

    @precondition(lambda self: len(self.tokens) > 3)
    @rule(after=st.sampled_from(list(STEPS)))
    def change_state(self, after):
        try:
            STEPS[after](self.database, "pilot")
        except DesignError:
            return
        assert STATES.index(after) == STATES.index(self.state) + 1
        self.state = after

    @precondition(lambda self: len(self.tokens) > 3)
    @rule(reader=READERS)
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
            shown = set(session.scalars(select(DisplayRecord.assignment_id)))
            aided = set(session.scalars(select(ArmRecord.id).where(ArmRecord.shows_model)))
            chain = session.scalar(select(AuditRecord.id).order_by(AuditRecord.id.desc()))
        assert sorted(reading.id for reading in readings) == sorted(self.done.values())
        revisions = defaultdict(list)
        for reading in readings:
            revisions[reading.assignment_id].append(reading.revision)
            assert bool(reading.reason) == (reading.revision > 1)
        assert all(found == list(range(1, len(found) + 1)) for found in revisions.values())
        assert all(places[place].arm_id in aided for place in shown)
        assert all(place in shown for place in revisions if places[place].arm_id in aided)
        for reader in self.readers:
            self.stored_order_holds(reader.id, readings, places)
            self.wash_out_holds(reader.id, readings)
        assert chain >= self.chain
        self.chain = chain
        assert integrity.verify(self.database).problems == ()

    def stored_order_holds(self, reader_id, readings, places):
        first = [row for row in readings if row.reader_id == reader_id and row.revision == 1]
        read = [(places[row.assignment_id].period, places[row.assignment_id].position) for row in first]
        mine = [(row.period, row.position) for row in places.values() if row.reader_id == reader_id]
        mine.sort(key=lambda place: place[::-1] if self.sequential else place)
        assert read == mine[: len(read)]

    def wash_out_holds(self, reader_id, readings):
        if self.sequential:
            return
        early = [row.submitted_at for row in readings if row.reader_id == reader_id and row.period == 1]
        late = [row.submitted_at for row in readings if row.reader_id == reader_id and row.period == 2]
        if late:
            assert min(late) - max(early) >= timedelta(days=WASH_OUT)


Study.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=14,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestStudy = Study.TestCase
