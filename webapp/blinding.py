"""The public demo gives no answer about a photograph that readers of an open study are looking at.

A reader could otherwise save a case and ask the model, which the protocol keeps from the unaided arm. A
photograph is recognised after re-encoding, scaling and cropping to its field, by the fingerprint that finds
near duplicates between data sets. This stops the way through this server; it cannot stop a reader who runs a
model elsewhere, and a picture that was turned, mirrored or redrawn is not recognised.
"""

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reader_study.database import Database
from reader_study.photographs import CasePhotograph, photographs_being_read
from retizero.data import ImageReadError, read_image
from retizero.evaluation.leakage import LEAST_CORRELATION, MOST_BITS, fingerprint

Print = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]


class Blinding:
    """Recognises the photographs of open studies.

    Args:
        database: the study database, asked anew about open studies at every request.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._known: dict[str, Print | None] = {}
        self._lock = threading.Lock()

    def is_being_read(self, image: npt.NDArray[np.uint8]) -> bool:
        """Whether a photograph (H, W, 3) uint8 is a case of a study that is open now."""
        studies = photographs_being_read(self.database).values()
        prints = [known for study in studies for p in study if (known := self._print(p)) is not None]
        if not prints:
            return False
        bits, detail = fingerprint(image)
        apart = np.unpackbits(np.stack([p[0] for p in prints]) ^ bits, axis=1).sum(axis=1)
        alike = np.stack([p[1] for p in prints]) @ detail
        return bool(np.any((apart <= MOST_BITS) & (alike >= LEAST_CORRELATION)))

    def learn(self) -> None:
        """Take the fingerprints of all open studies, before the first visitor asks."""
        for study in photographs_being_read(self.database).values():
            for photograph in study:
                self._print(photograph)

    def _print(self, photograph: CasePhotograph) -> Print | None:
        with self._lock:
            if photograph.sha256 not in self._known:
                self._known[photograph.sha256] = _read(photograph.path)
            return self._known[photograph.sha256]


def _read(path: Path) -> Print | None:
    """The fingerprint of a file; ``None`` where it cannot be read and so is shown to nobody."""
    try:
        return fingerprint(read_image(path))
    except (ImageReadError, OSError):
        return None
