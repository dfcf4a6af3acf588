"""Which model answers: the one the server was started with, or another one whose weights are here."""

from threading import Lock

from retizero.model import known_models
from retizero.serving import Engine

OTHERS = 1  # loaded beside the default at a time: a server's memory has an end


class Models:
    """The engines of a server. Another one than the default is loaded when it is first asked.

    Args:
        default: Answers where nothing else is chosen.
        device: Where the others run.
    """

    def __init__(self, default: Engine, device: str) -> None:
        self.default = default
        self._device = device
        self._others: dict[str, Engine] = {}
        self._lock = Lock()

    def choices(self) -> tuple[tuple[str, str], ...]:
        """Title and id of each model that is here, the default first."""
        identity = self.default.identity
        here = [(each.title, each.id) for each in known_models() if each.present and each.id != identity.id]
        return ((identity.title, identity.id), *here)

    def engine(self, id: str | None) -> Engine:
        """The engine of a model that is here.

        Args:
            id: One of ``choices``; anything else means the default, and never a path.

        Raises:
            ModelError: Its files are damaged; the sentence says how.
        """
        if not id or id == self.default.identity.id or id not in {choice for _, choice in self.choices()}:
            return self.default
        with self._lock:
            if id not in self._others:
                while len(self._others) >= OTHERS:
                    self._others.pop(next(iter(self._others)))
                self._others[id] = Engine.load(id, self._device)
            return self._others[id]
