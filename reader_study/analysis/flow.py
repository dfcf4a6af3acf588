"""How many cases, readers and readings the numbers rest on, and what is missing, in words."""

from reader_study.analysis.estimates import UnequalK
from reader_study.analysis.table import StudyTable


def counts_of(table: StudyTable) -> dict[str, int]:
    """Counts of the real readers' work; simulated readers are only numbered."""
    real = {reader.reader_id for reader in table.readers if not reader.simulated}
    reads = [read for read in table.reads if read.reader_id in real]
    expected = sum(table.expected.get(reader_id, 0) for reader_id in real)
    return {
        "cases": len(table.cases),
        "readers": len(real),
        "simulated_readers": len(table.readers) - len(real),
        "readings": len(reads),
        "simulated_readings": len(table.reads) - len(reads),
        "expected_readings": expected,
        "missing_readings": max(expected - len(reads), 0),
        "unresolved_entries": sum(read.unresolved for read in reads),
        "readings_with_unresolved": sum(read.unresolved > 0 for read in reads),
    }


def notes_of(table: StudyTable, unequal: UnequalK | None = None) -> list[str]:
    """What a reader of the numbers must know first, one sentence each."""
    counts = counts_of(table)
    notes = []
    if table.study.get("synthetic"):
        notes.append("The cases of this study are synthetic; nothing here says anything about patients.")
    if table.study.get("live_results") and table.study.get("state") == "open":
        notes.append("Results are shown while the study is open because its protocol is for teaching.")
    if counts["simulated_readers"]:
        notes.append(
            f"{counts['simulated_readers']} readers are simulated (drawn by a program); they are "
            "marked, and left out "
            "of every number about readers."
        )
    if counts["readings"] == 0:
        notes.append("No reader has read a case yet.")
    elif counts["missing_readings"]:
        notes.append(
            f"{counts['missing_readings']} of {counts['expected_readings']} readings are missing; "
            "each reader's "
            "accuracy rests on the cases that the reader read."
        )
    if counts["readings_with_unresolved"]:
        notes.append(
            f"{counts['readings_with_unresolved']} readings hold free text that nobody has "
            "adjudicated; such a rank "
            "counts as not matching."
        )
    if unequal:
        notes.append(
            f"Unequal numbers of guesses: the model counts as right within {unequal.model} ranks, readers "
            f"within {unequal.readers}. More guesses are right more often; this is no comparison of skill, "
            "and was made because it was asked for."
        )
    if not table.model:
        notes.append("The study has no predictions of a model.")
    return notes
