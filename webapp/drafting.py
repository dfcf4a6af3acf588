"""Studies being made: their photographs are looked at one by one, in the background, and the draft stored."""

import logging
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe

from reader_study.case_list import StudyCase
from reader_study.design import create_study
from reader_study.errors import DesignError, StudyError
from reader_study.protocol import Protocol
from webapp.photograph_checks import PhotographChecks, check_photographs
from webapp.rooms import Rooms

LOG = logging.getLogger(__name__)
KEPT = 20  # finished ones, for managers who come back to the page
PATIENCE_SECONDS = 2.0  # from here on progress is shown instead of the result


@dataclass
class Drafting:
    """How far the making of a study is, for the manager who asked for it.

    Attributes:
        id: in the address of its page; nobody can guess it.
        values: what was given in the form, to show it again where something is wrong.
        done: photographs looked at, of ``total``.
        checked: what was found; the study is there. ``problem``: why there is none.
    """

    id: str
    actor_id: str
    protocol: Protocol
    values: dict[str, str]
    total: int
    done: int = 0
    name: str = ""
    checked: PhotographChecks | None = None
    problem: StudyError | None = None
    finished: threading.Event = field(default_factory=threading.Event)


class Draftings:
    """Makes studies in the background, a thread each.

    Args:
        rooms: whose database the studies go to.
    """

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._all: dict[str, Drafting] = {}
        self._lock = threading.Lock()

    def of(self, id: str, actor_id: str) -> Drafting | None:
        """The making of a study, for whoever asked for it; ``None`` for others and after a new start."""
        found = self._all.get(id)
        return found if found is not None and found.actor_id == actor_id else None

    def start(
        self,
        protocol: Protocol,
        cases: Sequence[StudyCase],
        folder: Path,
        values: dict[str, str],
        actor_id: str,
    ) -> Drafting:
        """Begin; when nothing can be made of the cases, their folder is removed."""
        made = Drafting(token_urlsafe(16), actor_id, protocol, values, len(cases))
        with self._lock:
            finished = [each.id for each in self._all.values() if each.finished.is_set()]
            for id in finished[: max(0, len(finished) - KEPT)]:
                del self._all[id]
            self._all[made.id] = made
        threading.Thread(target=self._run, args=(made, cases, folder), daemon=True).start()
        return made

    def _run(self, made: Drafting, cases: Sequence[StudyCase], folder: Path) -> None:
        def looked_at(done: int) -> None:
            made.done = done

        try:
            checked = check_photographs(cases, looked_at)
            if checked.problems:
                raise DesignError("Photographs cannot be used.", checked.problems)
            made.name = create_study(self.rooms.database, made.protocol, cases, actor_id=made.actor_id)
            made.checked = checked
        except StudyError as error:
            made.problem = error
        except Exception:
            LOG.exception("making the study %r", made.protocol.name)
            made.problem = DesignError("The study could not be made; the server's log says why.")
        finally:
            if made.checked is None:
                shutil.rmtree(folder, ignore_errors=True)
            made.finished.set()
