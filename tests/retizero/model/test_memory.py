"""Memory that a network asks for again and again."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from retizero.model.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
import numpy as np
def work():
    np.ones(8_000_000, np.float32)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_large_blocks_are_not_faulted_in_again():
    faults = {
        way: int(
            subprocess.run(
                [sys.executable, "-c", FAULTS, way], capture_output=True, text=True, check=True
            ).stdout
        )
        for way in ("keep", "plain")
    }
    # 5 arrays of 32 MB are 39,000 pages of 4 KiB; huge pages may make them fewer
    assert faults["keep"] < 100
    assert faults["keep"] < faults["plain"]
