"""What the data can answer of the reporting checklists of the field; the rest is for the authors to write.

Items of CONSORT-AI (Liu et al., Nat Med 2020; 26:1364, Table 1), DECIDE-AI (Vasey et al., BMJ 2022;
377:e070904; items without a number are named by topic) and STARD 2015 (Bossuyt et al., BMJ 2015; 351:h5527),
which STARD-AI (2025) extends by items about data sets and fairness that are for the authors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reader_study.documents.tables import Table

_AUTHORS = "For the authors: the data cannot say."


def checklist(report: Mapping[str, Any]) -> Table:
    """Items and the answers that this report gives."""
    study, counts = report["study"], report["counts"]
    model = report["model_identity"] or {}
    weights = str(model.get("weights_sha256", ""))[:12]
    version = (
        f"{model.get('id', '?')}, weights {weights}"
        if model
        else "No model identity is stored with these data."
    )
    expected = counts.get("expected_readings") or counts["readings"]
    shown = (
        "Readings with and without the model's answer are compared."
        if any(each["difference"] is not None for each in report["aided_vs_unaided"].values())
        else "Readers read without the model's answer only."
    )
    synthetic = (
        "Synthetic cases: nothing here says anything about patients." if study.get("synthetic") else _AUTHORS
    )
    rows = (
        ("CONSORT-AI 4a (ii)", "Eligibility of the input data", synthetic),
        ("CONSORT-AI 5 (i)", "Version of the algorithm", version),
        ("CONSORT-AI 5 (iii)", "Poor quality or unavailable input data", _AUTHORS),
        ("CONSORT-AI 5 (v)", "Output of the AI intervention", "Ranked diagnoses; see the model's accuracy."),
        ("CONSORT-AI 5 (vi)", "How the output contributed to decisions", shown),
        ("CONSORT-AI 19", "Analysis of performance errors", "See what help changed, and automation bias."),
        ("DECIDE-AI 3b", "Users who took part", f"{counts['readers']} readers at {_sites(report)} sites."),
        ("DECIDE-AI 3c", "How users were made familiar with the system", _AUTHORS),
        ("DECIDE-AI 4a", "AI system: version and training data", str(model.get("trained_on") or _AUTHORS)),
        ("DECIDE-AI", "Human-computer agreement", "See automation bias and what help changed."),
        ("STARD 10a", "Index test", version),
        (
            "STARD 10b",
            "Reference standard",
            f"Scoring rule {study.get('rule', 'same')!r}. How it was established: for the authors.",
        ),
        ("STARD 15", "Missing data", f"{counts['readings']:,} of {expected:,} readings are there."),
        ("STARD 18", "Sample size", _AUTHORS),
        ("STARD 19", "Flow", "See the flow of cases, readers and readings."),
        ("STARD 24", "Accuracy and its precision", "95 % intervals stand beside every estimate."),
    )
    return Table("Reporting checklists: what these data answer", ("item", "topic", "answer"), rows, 3)


def _sites(report: Mapping[str, Any]) -> int:
    return len({row["site"] for row in report["sites"]})
