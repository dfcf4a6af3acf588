"""``retizero`` with an engine that embeds colours, for ``torchrun``.

DIE_AT=n kills rank 1 in its nth shard.
"""

import os
import signal
import sys

from retizero.cli import main
from tests.retizero.commands.test_retizero_commands import FakeEngine


class MortalEngine(FakeEngine):
    """Dies as a process dies that the system kills."""

    def __init__(self):
        super().__init__()
        self.left = int(os.environ.get("DIE_AT", "0")) if os.environ.get("RANK") == "1" else 0

    def embed_image(self, images):
        if self.left == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return super().embed_image(images)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], load_engine=lambda model, device: MortalEngine()))
