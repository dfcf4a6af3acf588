"""Multi-reader statistics at the size of a large study: 19 readers, 500 cases, two arms."""

import time

import numpy as np

from tests.bench.rows import Row, machine, median_seconds

READERS, CASES = 19, 500


def multi_reader() -> list[Row]:
    """Obuchowski-Rockette and U-statistics on AUC, and the whole report."""
    from reader_study.analysis import report
    from reader_study.analysis.mrmc.obuchowski_rockette import obuchowski_rockette
    from reader_study.analysis.mrmc.outcomes import auc_kernels
    from reader_study.analysis.mrmc.ustatistic import u_statistics

    rng = np.random.default_rng(0)
    truth = np.arange(CASES) % 2 == 1
    ratings = (rng.normal(size=(2, READERS, CASES)) + truth).round(1)
    jackknife = median_seconds(lambda: obuchowski_rockette(auc_kernels(ratings, truth)), 3)
    moments = median_seconds(lambda: u_statistics(auc_kernels(ratings, truth)), 3)
    table = large_study(rng)
    started = time.perf_counter()
    report(table).to_json()
    whole = time.perf_counter() - started
    size = f"{READERS} readers x {CASES} cases x 2"
    return [
        Row(f"OR, AUC, jackknife, {size}", jackknife, "s", "", None, "< 0.5 s", jackknife < 0.5, machine()),
        Row(f"U-statistic, AUC, {size}", moments, "s", "", None, "< 2 s", moments < 2, machine()),
        Row(f"the whole analyse, {size}", whole, "s", "", None, "< 10 s", whole < 10, machine()),
    ]


def promises() -> list[Row]:
    """How often 1,000 studies without an effect find one, and how often intervals hold the truth."""
    from docs.statistics import simulate

    rows = []
    for each in simulate(1_000, 0):
        covered = 100 * each.covered
        if each.wrong is not None:
            error = 100 * each.wrong
            rows.append(
                Row(
                    f"type I error: {each.method}",
                    error,
                    "%",
                    "",
                    None,
                    "3 to 7 %",
                    3 <= error <= 7,
                    machine(),
                )
            )
        held = 93 <= covered <= 97
        rows.append(Row(f"coverage: {each.method}", covered, "%", "", None, "93 to 97 %", held, machine()))
    return rows


def dashboard() -> list[Row]:
    """What the server does for a first look and for a change of filter; the browser draws besides."""
    from reader_study.analysis import report
    from webapp.language import Language
    from webapp.pages.dashboard.filters import Filters
    from webapp.pages.dashboard.panels import panels

    words, table = Language("en"), large_study(np.random.default_rng(0))

    def first() -> None:
        panels(report(table.subset()).document, "overview", "top1", words)

    def changed() -> None:
        part = Filters(site="s1").applied(table)
        panels(report(part).document, "help", "top1", words)

    size = f"{READERS} readers x {CASES} cases x 2"
    look, change = median_seconds(first, 3), median_seconds(changed, 3)
    return [
        Row(f"dashboard, first section, {size}", look, "s", "", None, "< 2 s", look < 2, machine()),
        Row(f"dashboard, filter changed, {size}", change, "s", "", None, "< 1 s", change < 1, machine()),
    ]


def bootstrap() -> list[Row]:
    """The mean of readers in two arms by a two-way bootstrap of 2,000 draws."""
    from reader_study.analysis.accuracy import Grid, two_way_bootstrap

    rng = np.random.default_rng(0)
    arms = [
        Grid((rng.random((READERS, CASES)) < 0.6) * 1.0, np.ones((READERS, CASES)), None) for _ in range(2)
    ]
    seconds = median_seconds(
        lambda: [two_way_bootstrap(arm, 2_000, 0, against_model=False) for arm in arms], 3
    )
    name = f"two-way bootstrap, 2,000 draws, {READERS} x {CASES} x 2"
    return [Row(name, seconds, "s", "", None, "< 5 s", seconds < 5, machine())]


def large_study(rng: np.random.Generator, readers: int = READERS, cases: int = CASES):
    """A study table with every reading present; half of the readers read aided first."""
    from reader_study.analysis.table import AnalysedCase, AnalysedReader, ModelAnswer, Read, StudyTable

    cases, readers = [f"c{n}" for n in range(cases)], [f"r{n}" for n in range(readers)]
    labels = [f"d{n}" for n in range(30)]
    truth = rng.integers(30, size=len(cases))

    def ranked(case: int, skill: float) -> tuple[tuple[str, ...], int]:
        order = rng.permutation(30)[:5].tolist()
        if rng.random() < skill:
            order[int(rng.integers(5) * (rng.random() < 0.4))] = int(truth[case])
        hit = order.index(truth[case]) + 1 if truth[case] in order else 0
        return tuple(labels[label] for label in dict.fromkeys(order)), hit

    reads = []
    arms = (("unaided", 0.6), ("aided", 0.75))
    for place, reader in enumerate(readers):
        for period, (arm, skill) in enumerate(arms if place % 2 == 0 else arms[::-1], 1):
            for number, case in enumerate(cases):
                ranks, hit = ranked(number, skill)
                seconds = float(rng.lognormal(3, 0.5))
                reads.append(Read(reader, case, arm, period, ranks, hit, 0, int(rng.integers(1, 6)), seconds))
    return StudyTable(
        study={"name": "bench"},
        k=5,
        cases=tuple(
            AnalysedCase(c, (labels[t],), bool(t % 5 == 0)) for c, t in zip(cases, truth, strict=True)
        ),
        readers=tuple(AnalysedReader(r, f"s{n % 3}", n, arms[n % 2][0]) for n, r in enumerate(readers)),
        reads=tuple(reads),
        model=tuple(ModelAnswer(c, (r := ranked(n, 0.8))[0], (0.5,) * 5, r[1]) for n, c in enumerate(cases)),
        model_identity={"id": "bench"},
        expected=dict.fromkeys(readers, 2 * len(cases)),
    )


SUITES = (multi_reader, bootstrap, dashboard, promises)
