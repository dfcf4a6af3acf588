"""A second program: Top-k accuracy from an exported study, with pandas and nothing of this project."""

from pathlib import Path

import pandas as pd


def top_k(export: Path, k: int) -> dict[tuple[str, str], float]:
    """Accuracy by (reader or ``model``, arm) from cases.csv, reads.csv and model.csv of an export."""
    cases = pd.read_csv(export / "cases.csv", dtype=str).set_index("case_id")["truth"]
    truths = {case: set(text.split(";")) for case, text in cases.items()}

    def hits(rows: pd.DataFrame) -> pd.Series:
        ranks = [f"rank{n}" for n in range(1, k + 1)]
        return rows.apply(lambda row: bool(truths[row["case_id"]] & set(row[ranks].dropna())), axis=1)

    reads = pd.read_csv(export / "reads.csv", dtype=str)
    reads["hit"] = hits(reads)
    found = {key: float(value) for key, value in reads.groupby(["reader_id", "arm"])["hit"].mean().items()}
    model = pd.read_csv(export / "model.csv", dtype=str)
    found["model", ""] = float(hits(model).mean())
    return found
