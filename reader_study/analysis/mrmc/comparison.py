"""A difference with its uncertainty, or the words why it has none."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from scipy import special

LEVEL = 0.95
ROUNDING = 1e-24  # a variance below is what floating point leaves of zero; outcomes lie between 0 and 1


@dataclass(frozen=True)
class Comparison:
    """A difference (or a mean) with standard error, interval and test against zero.

    Attributes:
        difference: First minus second, on the scale of the outcome; None when there is none.
        se: Standard error.
        df: Degrees of freedom of t; infinite for the normal distribution (written as null in JSON).
        ci: 95 % interval.
        statistic: t or z.
        p: Two-sided.
        reason: Why a value is missing; empty when none is.
    """

    difference: float | None
    se: float | None = None
    df: float | None = None
    ci: tuple[float, float] | None = None
    statistic: float | None = None
    p: float | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the keys of the file contract; ``reason`` only where something is missing."""
        found = asdict(self)
        if self.df is not None and math.isinf(self.df):
            found["df"] = None
            found["distribution"] = "normal"
        if not self.reason:
            del found["reason"]
        return found


def compared(difference: float, variance: float, df: float, *, test_df: float | None = None) -> Comparison:
    """Test a difference against zero.

    Args:
        difference: The estimate.
        variance: Its variance.
        df: Degrees of freedom to report; ``math.inf`` for the normal distribution.
        test_df: Degrees of freedom of the test where they differ from those reported.
    """
    if not math.isfinite(variance) or variance < -ROUNDING:
        return Comparison(difference, reason="Not estimable: the variance estimate is negative.")
    if variance <= ROUNDING:
        return Comparison(difference, se=0.0, reason="Not estimable: the variance estimate is zero.")
    if math.isnan(df) or df <= 0:
        return Comparison(
            difference, se=math.sqrt(variance), reason="Not estimable: no degrees of freedom are left."
        )
    se = math.sqrt(variance)
    used = df if test_df is None else test_df
    statistic = difference / se
    # scipy.special instead of scipy.stats: the same functions, a hundred times sooner
    if math.isinf(used):
        quantile, tail = special.ndtri(0.5 + LEVEL / 2), special.ndtr(-abs(statistic))
    else:
        quantile, tail = special.stdtrit(used, 0.5 + LEVEL / 2), special.stdtr(used, -abs(statistic))
    half, p = float(quantile) * se, float(2 * tail)
    return Comparison(difference, se, df, (difference - half, difference + half), statistic, p)
