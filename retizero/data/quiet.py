"""Keep the chatter of decoding libraries out of stderr: what matters is raised, the rest is noise."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_CHATTY_LOGGERS = ("PIL", "tifffile", "pydicom")


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence warnings and log lines of PIL, tifffile and pydicom inside the block.

    Python's warning filters belong to the process, so the block is held by one thread at a time: put
    header parsing inside it, and leave the long decoding outside where the library allows.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loggers = [logging.getLogger(name) for name in _CHATTY_LOGGERS]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
