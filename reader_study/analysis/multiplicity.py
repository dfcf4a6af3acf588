"""Several tests at once: p values corrected over the family that they were asked in."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from statsmodels.stats.multitest import fdrcorrection


def correct(rows: Iterable[dict[str, Any]], *, false_discovery: bool = False) -> None:
    """Write ``p_holm`` beside every ``p`` of a family, and ``p_bh`` where asked for; rows without p stay.

    Holm's step-down is written out (Scandinavian Journal of Statistics 1979): statsmodels' own collects
    garbage at every call, which holds up a server that has a model in memory.
    """
    tested = [row for row in rows if row["p"] is not None]
    if not tested:
        return
    p = np.array([row["p"] for row in tested])
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    for place, corrected in zip(order, steps, strict=True):
        tested[place]["p_holm"] = float(corrected)
    if false_discovery:
        for row, corrected in zip(tested, fdrcorrection(p)[1], strict=True):
            row["p_bh"] = float(corrected)
