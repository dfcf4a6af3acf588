"""A study that is made in the background: who sees how far it is, and what is left when it fails."""

import threading
from types import SimpleNamespace

import pytest

from reader_study.case_list import StudyCase
from reader_study.errors import DesignError
from reader_study.protocol import Protocol
from webapp import drafting
from webapp.drafting import KEPT, Draftings
from webapp.photograph_checks import PhotographChecks


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Begin a study of two cases in a folder, checked and stored as the test says."""
    draftings = Draftings(SimpleNamespace(database=None))

    def start(check, create=lambda *_, **__: "study"):
        folder = tmp_path / "study"
        folder.mkdir(exist_ok=True)
        monkeypatch.setattr(drafting, "check_photographs", check)
        monkeypatch.setattr(drafting, "create_study", create)
        cases = [StudyCase(code, folder / f"{code}.png", ("drusen",)) for code in "AB"]
        return draftings, folder, draftings.start(Protocol("study", "Study"), cases, folder, {}, "mira")

    return start


def test_progress_is_the_askers_alone(made):
    begun, goes_on = threading.Event(), threading.Event()

    def check(cases, looked_at):
        looked_at(1)
        begun.set()
        assert goes_on.wait(30)
        return PhotographChecks((), ("case B: doubtful.",))

    draftings, folder, running = made(check)
    assert begun.wait(30)
    assert (running.done, running.total, running.finished.is_set()) == (1, 2, False)
    assert draftings.of(running.id, "mira") is running
    assert draftings.of(running.id, "somebody else") is None
    assert draftings.of("another", "mira") is None
    goes_on.set()
    assert running.finished.wait(30)
    assert (running.name, running.checked.warnings) == ("study", ("case B: doubtful.",))
    assert folder.is_dir()


def test_bad_photographs_make_no_study_and_leave_no_files(made):
    def never(*_, **__):
        raise AssertionError("a study was made")

    _, folder, failed = made(lambda *_: PhotographChecks(("case A: cannot be read.",), ()), never)
    assert failed.finished.wait(30)
    assert failed.problem.problems == ("case A: cannot be read.",)
    assert failed.checked is None
    assert not folder.exists()


def test_our_own_fault_is_a_sentence_too(made, caplog):
    def broken(*_):
        raise RuntimeError("a fault of ours")

    _, folder, failed = made(broken)
    assert failed.finished.wait(30)
    assert isinstance(failed.problem, DesignError)
    assert "a fault of ours" in caplog.text
    assert "server's log" in str(failed.problem)
    assert not folder.exists()


def test_finished_ones_are_forgotten_in_the_end(made):
    first = None
    for _ in range(KEPT + 2):
        draftings, _, last = made(lambda *_: PhotographChecks((), ()))
        assert last.finished.wait(30)
        first = first or last
    assert draftings.of(first.id, "mira") is None
    assert draftings.of(last.id, "mira") is last
