"""What the readings say: one room a question, one ``Report`` for all answers."""

from reader_study.analysis.accuracy import report
from reader_study.analysis.estimates import (
    Estimate,
    GroupAccuracy,
    ModelDifference,
    ReaderAccuracy,
    SiteAccuracy,
    UnequalK,
)
from reader_study.analysis.report import Report
from reader_study.analysis.table import StudyTable

__all__ = [
    "Estimate",
    "GroupAccuracy",
    "ModelDifference",
    "ReaderAccuracy",
    "Report",
    "SiteAccuracy",
    "StudyTable",
    "UnequalK",
    "report",
]
