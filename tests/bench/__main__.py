"""``make bench``: measure what the README and the issues claim, write ``build/bench.json``, print a table.

Timings are of this machine at this moment; ratios compare two things measured in the same run.
``make bench ARGS="retrieval"`` runs the suites of one room.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from tests.bench import (
    faults,
    few_shot,
    knowledge,
    load,
    retizero_files,
    retizero_full_size,
    retrieval,
    serving,
    statistics,
    training,
)

OUT = Path("build/bench.json")
ROOMS = {
    "faults": faults.SUITES,
    "few-shot": few_shot.SUITES,
    "knowledge": knowledge.SUITES,
    "load": load.SUITES,
    "retizero": (*retizero_full_size.SUITES, *retizero_files.SUITES),
    "retrieval": retrieval.SUITES,
    "serving": serving.SUITES,
    "statistics": statistics.SUITES,
    "training": training.SUITES,
}


def main(rooms: Sequence[str]) -> int:
    """Run every suite of the named rooms (all when none is named); return 1 when a target was missed."""
    if unknown := set(rooms) - set(ROOMS):
        print(f"There is no room {sorted(unknown)[0]}; rooms are {', '.join(ROOMS)}.", file=sys.stderr)
        return 2
    suites = [suite for room in rooms or ROOMS for suite in ROOMS[room]]
    rows = [row for suite in tqdm(suites, desc="bench") for row in suite()]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    for row in rows:
        ratio = f"{row.ratio:.2f} x {row.compared_with}" if row.ratio is not None else ""
        verdict = "ok  " if row.passed else "MISS"
        print(f"{verdict} {row.name:<48} {row.value:>9.2f} {row.unit:<3} {row.target:<12} {ratio}")
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
