"""The same readers without and with the model's help, and each reader against the model: counts and tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats
from statsmodels.stats.multitest import multipletests

from reader_study.analysis.table import Read, StudyTable

Pairs = Sequence[tuple[Read, Read]]


def pairs_of(table: StudyTable, reads: Sequence[Read]) -> list[tuple[Read, Read]]:
    """Return (unaided, aided) readings of the same reader and case; the first of each where repeated."""
    found: dict[tuple[str, str, str], Read] = {}
    for read in reads:
        found.setdefault((read.arm, read.reader_id, read.case_id), read)
    return [
        (read, found["aided", reader, case])
        for (arm, reader, case), read in found.items()
        if arm == "unaided" and ("aided", reader, case) in found
    ]


def aided_vs_unaided_mcnemar(pairs: Pairs, k: int = 1) -> list[dict[str, Any]]:
    """Exact McNemar of each reader, Holm over readers."""
    rows = []
    for reader in sorted({unaided.reader_id for unaided, _ in pairs}):
        own = [(_right(a, k), _right(b, k)) for a, b in pairs if a.reader_id == reader]
        rows.append(
            {"reader_id": reader, "gained": own.count((False, True)), "lost": own.count((True, False))}
        )
    return _tested(rows, "gained", "lost")


def reader_vs_model_mcnemar(
    reads: Sequence[Read], model_hits: Mapping[str, int], k: int
) -> list[dict[str, Any]]:
    """Exact McNemar of each reader against the model on the cases of the reader, at equal k."""
    rows = []
    for reader in sorted({read.reader_id for read in reads}):
        own = [
            (_right(read, k), 1 <= model_hits[read.case_id] <= k)
            for read in reads
            if read.reader_id == reader and read.case_id in model_hits
        ]
        rows.append(
            {
                "reader_id": reader,
                "reader_only": own.count((True, False)),
                "model_only": own.count((False, True)),
            }
        )
    return _tested(rows, "reader_only", "model_only")


def _tested(rows: list[dict[str, Any]], first: str, second: str) -> list[dict[str, Any]]:
    for row in rows:
        discordant = row[first] + row[second]
        row["p"] = float(stats.binomtest(row[first], discordant).pvalue) if discordant else 1.0
        if not discordant:
            row["reason"] = "No discordant pairs: the exact p is 1."
    if rows:
        for row, p in zip(rows, multipletests([row["p"] for row in rows], method="holm")[1], strict=True):
            row["p_holm"] = float(p)
    return rows


def reclassification(pairs: Pairs, k: int = 1) -> dict[str, Any]:
    """How readings moved from wrong to right and back; ``net`` is the share gained minus the share lost."""
    moves = [(_right(a, k), _right(b, k)) for a, b in pairs]
    gained, lost = moves.count((False, True)), moves.count((True, False))
    return {
        "wrong_to_right": gained,
        "right_to_wrong": lost,
        "stay_right": moves.count((True, True)),
        "stay_wrong": moves.count((False, False)),
        "net": (gained - lost) / len(moves) if moves else None,
    } | ({} if moves else {"reason": "No case was read in both arms."})


def automation_bias(pairs: Pairs, answers: Mapping[str, tuple[str, int]], k: int = 1) -> dict[str, Any]:
    """What readers did with a wrong model.

    Args:
        pairs: (unaided, aided) readings.
        answers: The model's first choice and hit rank, by case.
        k: How many ranks count.
    """
    wrong = [(a, b) for a, b in pairs if a.case_id in answers and not 1 <= answers[a.case_id][1] <= k]
    helped = [(a, b) for a, b in pairs if a.case_id in answers and 1 <= answers[a.case_id][1] <= k]
    harmed = [(a, b) for a, b in wrong if _right(a, k) and not _right(b, k)]
    return {
        "model_wrong_reads": len(wrong),
        "right_to_wrong_when_model_wrong": len(harmed),
        "switched_to_wrong_model_label": sum(
            a.ranks[:1] != (answers[b.case_id][0],) == b.ranks[:1] for a, b in wrong
        ),
        "wrong_to_right_when_model_right": sum(not _right(a, k) and _right(b, k) for a, b in helped),
    }


def confidence(pairs: Pairs) -> dict[str, Any]:
    """Paired t of readers' mean confidence, aided minus unaided."""
    means = []
    for reader in sorted({unaided.reader_id for unaided, _ in pairs}):
        own = [
            (a.confidence, b.confidence)
            for a, b in pairs
            if a.reader_id == reader and a.confidence is not None and b.confidence is not None
        ]
        if own:
            means.append((sum(a for a, _ in own) / len(own), sum(b for _, b in own) / len(own)))
    if len(means) < 2 or len({b - a for a, b in means}) < 2:
        words = "Not estimable: it needs two readers with confidence in both arms, and some spread."
        return {"difference": None, "t": None, "df": None, "p": None, "ci": None, "reason": words}
    test = stats.ttest_rel([b for _, b in means], [a for a, _ in means])
    low, high = test.confidence_interval(0.95)
    return {
        "difference": sum(b - a for a, b in means) / len(means),
        "t": float(test.statistic),
        "df": float(test.df),
        "p": float(test.pvalue),
        "ci": [float(low), float(high)],
    }


def _right(read: Read, k: int) -> bool:
    return 1 <= read.hit <= k
