"""The folder that visitors' photographs go to: this server's alone, gone with it.

A server that is killed cannot clear up; the next one on the machine does.
"""

import atexit
import contextlib
import os
import shutil
import tempfile
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "retizero-uploads-"


class UploadFolder:
    """A new folder for Gradio's uploads that other users of the machine cannot read, until ``release``.

    A folder that the variable ``GRADIO_TEMP_DIR`` names is taken as it is and never removed.
    """

    def __init__(self) -> None:
        self._held: FileLock | None = None
        if named := os.environ.get("GRADIO_TEMP_DIR"):
            self.path = Path(named)
            return
        _remove_left_behind()
        self.path = Path(tempfile.gettempdir()) / f"{PREFIX}{uuid.uuid4().hex}"
        self._held = FileLock(self.path.with_suffix(".lock"))
        self._held.acquire()
        self.path.mkdir(mode=0o700)
        os.environ["GRADIO_TEMP_DIR"] = str(self.path)
        atexit.register(self.release)

    def release(self) -> None:
        """Remove the folder with all that is in it."""
        if self._held is not None:
            os.environ.pop("GRADIO_TEMP_DIR", None)
            _remove(self.path, self._held)
            self._held = None


def _remove_left_behind() -> None:
    """Remove the folders of servers that are gone: nobody holds their locks."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*.lock"):
        lock = FileLock(path)
        with contextlib.suppress(Timeout, OSError):  # a living server's, another user's
            lock.acquire(timeout=0)
            _remove(path.with_suffix(""), lock)


def _remove(folder: Path, held: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    Path(held.lock_file).unlink(missing_ok=True)
    held.release()
