"""Kill writers of a gallery at random moments and check what they leave: ``... killed_writers FOLDER TIMES``.

Each writer says in a log which photographs the gallery will have before it changes it, and that it did
afterwards. What is found after the kill must be one of the last two such states, with every vector at the
right photograph. A process of its own, because it forks before any thread exists.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from retizero.retrieval import Gallery, GalleryError, index_kinds
from tests.retizero.retrieval.sample_gallery import IDENTITY, records, unit


def vector(number):
    return unit(1, seed=number)[0]


def write_for_ever(folder, log, seed):
    """Build, add, remove and update without end."""
    dice = random.Random(seed)
    try:
        present = [int(record.id[1:]) for record in Gallery.open(folder).records]
    except GalleryError:
        present = []
    while True:
        step = dice.choice(["build", "add", "add", "remove", "update"]) if present else "build"
        some = dice.sample(range(10_000), 60)
        if step == "build":
            after = some
        elif step == "add":
            after = present + [number for number in some if number not in set(present)][:40]
        elif step == "remove":
            after = present[len(present) // 3 :]
        else:
            after = present
        log.write(json.dumps(after) + "\n")
        log.flush()
        change(folder, step, present, after)
        log.write("done\n")
        log.flush()
        present = after


def change(folder, step, present, after):
    named = {number: records(1, start=number)[0] for number in {*present, *after}}
    if step == "build":
        Gallery.build(folder, np.stack(list(map(vector, after))), [named[n] for n in after], IDENTITY, "hnsw")
        return
    gallery, new = Gallery.open(folder), [number for number in after if number not in set(present)]
    if step == "add" and new:
        gallery.add(np.stack(list(map(vector, new))), [named[number] for number in new])
    elif step == "remove":
        gallery.remove([f"r{number}" for number in present if number not in set(after)])
    elif step == "update":
        gallery.update([named[number] for number in present[:5]])


def check(folder, log):
    """Return what is wrong with the gallery, nothing if it is as it must be."""
    lines = log.read_text().splitlines()
    states = [json.loads(line) for line in lines if line.endswith("]")]
    possible = states[-1:] if lines[-1:] in (["done"], ["found"]) else states[-2:]
    try:
        gallery = Gallery.open(folder)
    except GalleryError as error:
        return "" if "done" not in lines else f"does not open: {error}"
    numbers = [int(record.id[1:]) for record in gallery.records]
    if set(numbers) not in map(set, possible):
        return f"has {len(numbers)} photographs, which is neither of the last two states"
    if not np.array_equal(gallery.vectors, np.stack(list(map(vector, numbers)))):
        return "has a vector at the wrong photograph"
    with log.open("a") as out:  # what the next writer begins with
        out.write(f"\n{json.dumps(numbers)}\nfound\n")
    return ""


def main(folder, times):
    index_kinds.INDEXED_FROM = 64
    log = folder.parent / "log.txt"
    log.touch()
    dice = random.Random(0)
    for turn in range(times):
        size = log.stat().st_size
        child = os.fork()
        if child == 0:
            with log.open("a") as out:
                write_for_ever(folder, out, turn)
        began = time.monotonic()
        lines = dice.randint(1, 6)
        while log.read_bytes()[size:].count(b"\n") < lines:
            time.sleep(0.001)  # the writer has begun, or finished, so many steps
        time.sleep(dice.uniform(0.0, (time.monotonic() - began) / lines))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if problem := check(folder, log):
            print(f"after kill {turn + 1} the gallery {problem}")
            return 1
    steps = log.read_text().count("done")
    print(f"{times} killed, {steps} changes finished, {len(Gallery.open(folder))} photographs in the end")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
