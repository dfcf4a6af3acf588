"""Which diseases are taken for their look-alikes, by the pairs that the catalogue names."""

from __future__ import annotations

from typing import Any

import numpy as np

from retizero.evaluation.answers import Answers
from retizero.knowledge import load_catalogue


def confusion_among_look_alikes(answers: Answers) -> dict[str, Any]:
    """Count first answers that are a look-alike of the primary label and not true themselves.

    Returns:
        ``pairs``: truth, answer, images with that truth, images answered so, most frequent first, pairs that
        never occur left out; ``possible``: pairs among the candidates; ``wrong``: wrong first answers;
        ``wrong_by_look_alike``: those of them that name a look-alike.
    """
    catalogue = load_catalogue()
    place = {id: column for column, id in enumerate(answers.ids)}
    pairs = {
        (column, place[other.id])
        for id, column in place.items()
        if id in catalogue
        for other in catalogue[id].look_alikes
        if other.id in place
    }
    pairs |= {(answer, truth) for truth, answer in pairs}
    first = answers.scores.argmax(axis=1)
    wrong = ~answers.truth[np.arange(len(first)), first]
    counts = np.zeros((len(answers.ids), len(answers.ids)), np.int64)
    np.add.at(counts, (answers.primary[wrong], first[wrong]), 1)
    with_truth = np.bincount(answers.primary, minlength=len(answers.ids))
    found = sorted((pair for pair in pairs if counts[pair]), key=lambda pair: (-counts[pair], pair))
    return {
        "pairs": [
            {
                "truth": answers.ids[truth],
                "answer": answers.ids[answer],
                "n": int(with_truth[truth]),
                "count": int(counts[truth, answer]),
            }
            for truth, answer in found
        ],
        "possible": len(pairs),
        "wrong": int(wrong.sum()),
        "wrong_by_look_alike": int(sum(counts[pair] for pair in found)),
    }
