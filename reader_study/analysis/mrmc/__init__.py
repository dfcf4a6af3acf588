"""Multi-reader multi-case statistics: readers and cases are samples, and claims are about more than these."""

from reader_study.analysis.mrmc.comparison import Comparison
from reader_study.analysis.mrmc.obuchowski_rockette import (
    against_fixed,
    obuchowski_rockette,
    paired_proportion,
    readers_against_model,
)
from reader_study.analysis.mrmc.outcomes import Kernels, auc_kernels, proportion_kernels
from reader_study.analysis.mrmc.ustatistic import u_statistics

__all__ = [
    "Comparison",
    "Kernels",
    "against_fixed",
    "auc_kernels",
    "obuchowski_rockette",
    "paired_proportion",
    "proportion_kernels",
    "readers_against_model",
    "u_statistics",
]
