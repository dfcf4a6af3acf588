"""The tables of a report, cell by cell as text: what HTML and Markdown both show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retizero.knowledge import load_catalogue

Document = Mapping[str, Any]
COEFFICIENTS = {
    "fleiss": "Fleiss' kappa",
    "ac1": "Gwet's AC1",
    "alpha": "Krippendorff's alpha",
    "conger": "Conger's kappa",
    "brennan_prediger": "Brennan and Prediger's coefficient",
    "percent": "Percent agreement",
}
_ARROW = "aided minus unaided"


@dataclass(frozen=True)
class Table:
    """A title, column names and cells as text; cells from column ``numeric_from`` on are numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric_from: int = 1


def translated(table: Table, say: Callable[[str], str]) -> Table:
    """The table in another language: title, header and those cells that have words."""
    rows = tuple(tuple(say(cell) for cell in row) for row in table.rows)
    return Table(say(table.title), tuple(say(name) for name in table.header), rows, table.numeric_from)


def tables_of(report: Document) -> tuple[Table, ...]:
    """Every table of a report that has rows, the main comparison first."""
    tables = [
        _flow(report),
        _differences(report),
        _accuracy(report),
        _readers(report),
        _sites(report),
        _subgroups(report, "rarity", "Rare and common diseases"),
        _subgroups(report, "disease", "Each disease, Top-1"),
        _subgroups(report, "experience", "Readers by years of experience"),
        _against_model(report),
        _gained(report),
        _agreement(report),
        _further(report),
        _unequal(report),
        _effects(report),
        _quality(report),
        _counts_of_help(report),
    ]
    return tuple(table for table in tables if table.rows)


def share(value: float | None) -> str:
    """A proportion as a cell."""
    return "not estimable" if value is None else f"{value:.3f}"


def interval(ends: Sequence[float] | None) -> str:
    """A 95 % interval as a cell."""
    return "not estimable" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def p_value(p: float | None) -> str:
    """A p value as journals print it."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def diagnosis(id: str) -> str:
    """What a diagnosis is called; free text as it was written."""
    catalogue = load_catalogue()
    return catalogue[id].name if id in catalogue else id


def metric(name: str) -> str:
    """What ``top3`` is called."""
    return f"Top-{name.removeprefix('top')}"


def _flow(report: Document) -> Table:
    """Participant flow: cases and readers in, readings that the analysis rests on."""
    words = {
        "cases": "Cases in the analysis (practice cases left out)",
        "readers": "Readers",
        "simulated_readers": "Simulated readers, left out of every number about readers",
        "expected_readings": "Readings that the design asks for",
        "readings": "Readings in the analysis",
        "missing_readings": "Readings missing",
        "readings_with_unresolved": "Readings with free text that nobody has adjudicated",
    }
    counts = report["counts"]
    return Table(
        "Flow of cases, readers and readings",
        ("stage", "number"),
        tuple((text, f"{counts[key]:,}") for key, text in words.items() if key in counts),
    )


def _differences(report: Document) -> Table:
    rows = [
        (metric(name), _ARROW, *_difference(each))
        for name, each in report["aided_vs_unaided"].items()
        if each["difference"] is not None
    ]
    for arm, metrics in report["model_vs_readers"].items():
        rows += [
            (metric(name), f"readers ({arm}) minus model", *_difference(each))
            for name, each in metrics.items()
            if each["difference"] is not None
        ]
    header = ("measure", "comparison", "difference", "95 % interval", "standard error", "df", "p")
    return Table("Comparisons: readers and cases random, model fixed", header, tuple(rows), 2)


def _difference(each: Document) -> tuple[str, ...]:
    df = each.get("df")
    return (
        f"{each['difference']:+.3f}",
        interval(each["ci"]),
        "" if each.get("se") is None else f"{each['se']:.3f}",
        "" if df is None else f"{df:.1f}",
        p_value(each.get("p")),
    )


def _accuracy(report: Document) -> Table:
    rows = [
        ("model", metric(name), str(each["n"]), share(each["accuracy"]), interval(each["ci"]))
        for name, each in report["model"].items()
    ]
    for arm, metrics in report["arms"].items():
        rows += [
            (
                f"mean of readers, {arm}",
                metric(name),
                str(each["readers"]),
                share(each["accuracy"]),
                interval(each["ci"]),
            )
            for name, each in metrics.items()
        ]
    header = ("who", "measure", "cases or readers", "accuracy", "95 % interval")
    return Table("Accuracy of the model and of readers as a group", header, tuple(rows), 2)


def _single(rows: Iterable[Document], who: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            each[who],
            each["arm"],
            metric(each["metric"]),
            f"{each['x']} of {each['n']}",
            share(each["accuracy"]),
            interval(each["ci"]),
        )
        for each in rows
        if each["n"]
    )


def _readers(report: Document) -> Table:
    header = ("reader", "arm", "measure", "right", "accuracy", "95 % interval")
    return Table("Accuracy of each reader", header, _single(report["readers"], "reader_id"), 3)


def _sites(report: Document) -> Table:
    header = ("site", "arm", "measure", "right", "accuracy", "95 % interval")
    return Table("Accuracy of each site", header, _single(report["sites"], "site"), 3)


def _subgroups(report: Document, by: str, title: str) -> Table:
    rows = []
    for each in report["subgroups"]:
        if each["by"] != by or each["accuracy"] is None or (by == "disease" and each["metric"] != "top1"):
            continue
        model = each.get("model", {}).get("accuracy")
        rows.append(
            (
                diagnosis(each["group"]),
                each["arm"],
                metric(each["metric"]),
                f"{each['x']} of {each['n']}",
                share(each["accuracy"]),
                interval(each["ci"]),
                "" if model is None else share(model),
            )
        )
    header = ("group", "arm", "measure", "right", "accuracy", "95 % interval", "model")
    return Table(title, header, tuple(rows), 3)


def _against_model(report: Document) -> Table:
    rows = tuple(
        (
            each["reader_id"],
            metric(name),
            str(each["reader_only"]),
            str(each["model_only"]),
            p_value(each["p"]),
            p_value(each["p_holm"]),
        )
        for name, found in report["mcnemar"]["reader_vs_model"].items()
        for each in found
    )
    header = ("reader", "measure", "only the reader right", "only the model right", "p", "p (Holm)")
    return Table("Each reader, unaided, against the model: exact McNemar test", header, rows, 2)


def _gained(report: Document) -> Table:
    rows = tuple(
        (
            each["reader_id"],
            str(each["gained"]),
            str(each["lost"]),
            p_value(each["p"]),
            p_value(each["p_holm"]),
        )
        for each in report["mcnemar"]["aided_vs_unaided"]["top1"]
    )
    header = ("reader", "gained with help", "lost with help", "p", "p (Holm)")
    return Table("Each reader aided against unaided, Top-1: exact McNemar test", header, rows, 1)


def _agreement(report: Document) -> Table:
    rows = tuple(
        (arm, COEFFICIENTS[name], share(each["value"]), interval(each["ci"]))
        for arm, found in report["agreement"].items()
        for name, each in found.items()
    )
    return Table(
        "Agreement between readers on the first diagnosis",
        ("arm", "measure", "value", "95 % interval"),
        rows,
        2,
    )


def _further(report: Document) -> Table:
    rows = []
    gee, time, confidence = report["gee"]["top1"], report["time"]["log_seconds"], report["confidence"]
    glmm = report["glmm"]["top1"]
    if glmm["coefficient"] is not None:
        text = "Log odds of a right Top-1, aided against unaided (mixed model, random readers and cases)"
        rows.append((text, f"{glmm['coefficient']:+.3f}", f"{glmm['se']:.3f}", p_value(glmm["p"])))
    if gee["coefficient"] is not None:
        text = "Log odds of a right Top-1, aided against unaided (GEE, cases as clusters)"
        rows.append((text, f"{gee['coefficient']:+.3f}", f"{gee['robust_se']:.3f}", p_value(gee["p"])))
    if time["coefficient"] is not None:
        text = f"Log seconds, aided against unaided (ratio of times {time['ratio']:.2f})"
        rows.append((text, f"{time['coefficient']:+.3f}", f"{time['se']:.3f}", ""))
    if confidence["difference"] is not None:
        text = "Confidence, aided minus unaided (paired t test over readers)"
        rows.append((text, f"{confidence['difference']:+.3f}", "", p_value(confidence["p"])))
    return Table(
        "Sensitivity analysis, time and confidence",
        ("question", "estimate", "standard error", "p"),
        tuple(rows),
    )


def _unequal(report: Document) -> Table:
    """The comparison at unequal numbers of guesses, where it was asked for."""
    rows = tuple(
        (f"readers ({arm}) Top-{each['readers_k']} minus model Top-{each['model_k']}", *_difference(each))
        for arm, each in report.get("unequal_k", {}).items()
        if each["difference"] is not None
    )
    header = ("comparison", "difference", "95 % interval", "standard error", "df", "p")
    return Table("Unequal numbers of guesses: no comparison of skill", header, rows)


def _effects(report: Document) -> Table:
    rows = tuple(
        (
            each["by"],
            diagnosis(each["group"]),
            f"{each['difference']:+.3f}",
            interval(each["ci"]),
            p_value(each["p"]),
            p_value(each.get("p_holm")),
        )
        for each in report["effects"]
        if each["difference"] is not None
    )
    header = ("kind of group", "group", "aided minus unaided", "95 % interval", "p", "p (Holm)")
    return Table("Effect of help in groups, Top-1: readers and cases random", header, rows, 2)


def _quality(report: Document) -> Table:
    keys = ("expected", "readings", "missing", "unresolved", "without_confidence", "without_time")
    rows = tuple((each["reader_id"], *(f"{each[key]:,}" for key in keys)) for each in report["quality"])
    header = (
        "reader", "readings asked for", "done", "missing", "with free text that waits for adjudication",
        "without confidence", "without a time",
    )  # fmt: skip
    return Table("What each reader's readings lack", header, rows, 1)


def _counts_of_help(report: Document) -> Table:
    words = {
        "wrong_to_right": "Wrong unaided, right aided",
        "right_to_wrong": "Right unaided, wrong aided",
        "stay_right": "Right both times",
        "stay_wrong": "Wrong both times",
        "model_wrong_reads": "Pairs of readings where the model was wrong",
        "right_to_wrong_when_model_wrong": "... right unaided, wrong aided (automation bias)",
        "switched_to_wrong_model_label": "... switched to the model's wrong label",
        "wrong_to_right_when_model_right": "Wrong unaided, right aided, where the model was right",
    }
    found = {**report["reclassification"]["top1"], **report["automation_bias"]["top1"]}
    rows = tuple((text, f"{found[key]:,}") for key, text in words.items() if found.get(key) is not None)
    return Table("What help changed, Top-1, pairs of readings", ("change", "pairs"), rows)
