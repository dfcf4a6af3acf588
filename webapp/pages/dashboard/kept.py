"""Reports that were computed already, by study, version of its data, and filters."""

from __future__ import annotations

import threading
from collections import OrderedDict

from reader_study import results
from reader_study.analysis import Report, report
from reader_study.database import Database
from webapp.pages.dashboard.filters import Filters

MOST_KEPT = 24
Key = tuple[str, int, Filters]


class KeptReports:
    """A small store; who may see a report is asked each time, before anything is taken from it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[Key, Report] = OrderedDict()
        self._lock = threading.Lock()

    def report(self, viewer_id: str, study: str, filters: Filters) -> Report:
        """The report on a part of a study.

        Raises:
            StudyError: as ``results.results``.
        """
        version = results.results_version(self._database, viewer_id, study)
        whole = self._get((study, version, Filters()))
        if whole is None:
            whole = results.results(self._database, viewer_id, study)
            self._put((study, version, Filters()), whole)
        if not filters.any:
            return whole
        part = self._get((study, version, filters))
        if part is None:
            part = report(filters.applied(whole.table), seed=whole.seed, resamples=whole.resamples)
            self._put((study, version, filters), part)
        return part

    def _get(self, key: Key) -> Report | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _put(self, key: Key, found: Report) -> None:
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
