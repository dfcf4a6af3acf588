"""What the readings say: one room a question, one ``Report`` for all answers."""

from reader_study.analysis.accuracy import report
from reader_study.analysis.report import (
    Estimate,
    GroupAccuracy,
    ModelDifference,
    ReaderAccuracy,
    Report,
    SiteAccuracy,
)
from reader_study.analysis.table import StudyTable

__all__ = [
    "Estimate",
    "GroupAccuracy",
    "ModelDifference",
    "ReaderAccuracy",
    "Report",
    "SiteAccuracy",
    "StudyTable",
    "report",
]
