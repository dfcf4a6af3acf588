"""Keep the chatter of decoding libraries out of stderr: what matters is raised, the rest is noise."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_CHATTY = tuple(logging.getLogger(name) for name in ("PIL", "tifffile", "pydicom"))
for _logger in _CHATTY:
    _logger.addHandler(logging.NullHandler())  # else what goes no further is printed as a last resort


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence warnings and log lines of PIL, tifffile and pydicom inside the block.

    Python's warning filters belong to the process, so the block is held by one thread at a time: put
    header parsing inside it, and leave the long decoding outside where the library allows.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = [logger.propagate for logger in _CHATTY]
        for logger in _CHATTY:
            logger.propagate = False  # a level would do too, and empty the caches of all loggers each time
        try:
            yield
        finally:
            for logger, propagate in zip(_CHATTY, before, strict=True):
                logger.propagate = propagate
