"""The tables of a result: what the command line, Markdown, HTML and the benchmark page all show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

from retizero.evaluation.errors import EvaluationError
from retizero.knowledge import load_catalogue

Words = Callable[..., str]
Code = Literal["en", "zh"]


@dataclass(frozen=True)
class Table:
    """A title, column names, and cells as text; ``numeric`` are the columns to align right."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()


def report_words(code: Code = "en") -> Words:
    """Return the words of reports in one language: ``words("top", k=5)``."""

    def words(key: str, **parts: object) -> str:
        return _table()[key][code].format(**parts)

    return words


def kind_of(
    report: Mapping[str, Any],
) -> Literal["zero_shot", "retrieval", "comparison", "leakage", "explanation"]:
    """What a result is about.

    Raises:
        EvaluationError: It is no result of ``retizero evaluate``.
    """
    for part, kind in (
        ("top_k", "zero_shot"),
        ("hit_at", "retrieval"),
        ("differences", "comparison"),
        ("insertion", "explanation"),
    ):
        if part in report:
            return kind  # type: ignore[return-value]
    if "pairs" in report and "groups_in_both" in report:
        return "leakage"
    raise EvaluationError("This is not a result of retizero evaluate.")


def tables_of(report: Mapping[str, Any], words: Words | None = None, code: Code = "en") -> tuple[Table, ...]:
    """All tables of a result, the headline first."""
    words = words or report_words(code)
    kind = kind_of(report)
    if kind == "zero_shot":
        return (headline(report, words), *_zero_shot_tables(report, words, code))
    if kind == "retrieval":
        return (headline(report, words), _retrieval_labels(report, words, code))
    if kind == "explanation":
        return (headline(report, words),)
    if kind == "comparison":
        return (headline(report, words), _mcnemar(report, words))
    return (headline(report, words), *_leakage_tables(report, words))


def headline(report: Mapping[str, Any], words: Words) -> Table:
    """The numbers of a result that are quoted first."""
    kind = kind_of(report)
    if kind == "comparison":
        return _differences(report, words)
    if kind == "explanation":
        return _areas(report, words)
    if kind == "leakage":
        rows = [(words(name), str(report["counts"][name])) for name in ("identical", "near_duplicate")]
        rows.append((words("same_group"), str(len(report["groups_in_both"]))))
        rows.append((words("train"), str(report["n_train"])))
        rows.append((words("test"), str(report["n_test"])))
        return Table(words("headline"), (words("found"), words("count")), tuple(rows), (1,))
    rows_4 = _zero_shot_rows(report, words) if kind == "zero_shot" else _retrieval_rows(report, words)
    header = (words("measure"), words("value"), words("interval"), words("chance"))
    return Table(words("headline"), header, tuple(rows_4), (1, 2, 3))


def number(value: float | None, digits: int = 3) -> str:
    """A value as a cell, a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def interval(ends: Any) -> str:  # noqa: ANN401 - a list of two numbers, or None
    """An interval as a cell, a dash where there is none."""
    return "-" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def label_name(id: str, code: Code = "en") -> str:
    """What a label is called in a language; free text as it was written."""
    catalogue = load_catalogue()
    if id not in catalogue:
        return id.removeprefix("free:")
    entry = catalogue[id]
    return entry.name_zh if code == "zh" and entry.name_zh else entry.name


def _line(name: str, measure: Mapping[str, Any], chance: float | None) -> tuple[str, ...]:
    return name, number(measure["value"]), interval(measure["ci"]), "" if chance is None else number(chance)


def _zero_shot_rows(report: Mapping[str, Any], words: Words) -> list[tuple[str, ...]]:
    chance = report["chance"]
    rows = [_line(words("top", k=k), each, chance["top_k"][k]) for k, each in report["top_k"].items()]
    for name in ("macro_auc", "macro_ap", "balanced_accuracy", "ece"):
        rows.append(_line(words(name), report[name], chance.get(name)))
    for by, measures in report["selective"].items():
        rows.append(_line(words("aurc", by=words(by)), measures["aurc"], chance["aurc"]))
        for share, each in measures["risk_at"].items():
            name = words("risk_at", share=f"{float(share):.0%}", by=words(by))
            rows.append(_line(name, each, chance["aurc"]))
    conformal = report["conformal"]
    if conformal["coverage"] is not None:
        name = words("conformal_coverage", share=f"{report['protocol']['conformal_target']:.0%}")
        ends = conformal["coverage_ci"]
        rows.append(_line(name, {"value": conformal["coverage"], "ci": ends}, None))
        size = {"value": conformal["mean_size"], "ci": conformal["mean_size_ci"]}
        rows.append(_line(words("conformal_size"), size, None))
    rows.append((words("images"), str(report["n"]), "", ""))
    return rows


def _retrieval_rows(report: Mapping[str, Any], words: Words) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, part in parts_of(report).items():
        chance = part["chance"]
        for k, each in part["hit_at"].items():
            rows.append(_line(f"{words('hit_at', k=k)}, {name}", each, chance["hit_at"][k]))
        for k, each in part["precision_at"].items():
            rows.append(_line(f"{words('precision_at', k=k)}, {name}", each, chance["precision_at"]))
        rows.append(_line(f"{words('map')}, {name}", part["map"], chance["precision_at"]))
    rows.append((words("queries"), str(report["n_queries"]), "", ""))
    rows.append((words("gallery"), str(report["n_gallery"]), "", ""))
    return rows


def parts_of(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The numbers of a retrieval result under each of its protocols, by name."""
    return {report["protocol"]["settings"]["name"]: report, **report["other_protocols"]}


def _zero_shot_tables(report: Mapping[str, Any], words: Words, code: Code) -> list[Table]:
    tables = []
    for part, names in (("per_label", "label"), ("per_source", "source")):
        rows = report[part]
        if not rows:
            continue
        cuts = [key.removeprefix("top") for key in rows[0] if key.startswith("top") and key[3:].isdigit()]
        header = [words(names), words("images")]
        for k in cuts:
            header += [words("top", k=k), words("interval")]
        cells = []
        for row in rows:
            name = label_name(row["id"], code) if part == "per_label" else row["source"]
            line = [name, str(row["n"])]
            for k in cuts:
                line += [number(row[f"top{k}"]), interval(row[f"top{k}_ci"])]
            cells.append((*line, number(row["auc"])) if part == "per_label" else tuple(line))
        if part == "per_label":
            header.append(words("auc"))
        tables.append(Table(words(part), tuple(header), tuple(cells), tuple(range(1, len(header)))))
    confused = report["look_alikes"]["pairs"]
    lines = tuple(
        (
            label_name(row["truth"], code),
            label_name(row["answer"], code),
            str(row["count"]),
            f"{row['count'] / row['n']:.0%}",
        )
        for row in confused
    )
    header_4 = (words("truth"), words("answer"), words("count"), words("share"))
    tables.append(Table(words("look_alikes"), header_4, lines, (2, 3)))
    return tables


def _retrieval_labels(report: Mapping[str, Any], words: Words, code: Code) -> Table:
    cuts = list(report["hit_at"])
    header = [words("protocol"), words("label"), words("queries")]
    header += [words("hit_at", k=k) for k in cuts] + [words("precision_at", k=k) for k in cuts]
    rows = [
        (
            name,
            label_name(row["id"], code),
            str(row["n"]),
            *(number(row[f"hit{k}"]) for k in cuts),
            *(number(row[f"precision{k}"]) for k in cuts),
            number(row["map"]),
        )
        for name, part in parts_of(report).items()
        for row in part["per_label"]
    ]
    return Table(words("per_label"), (*header, words("map")), tuple(rows), tuple(range(2, len(header) + 1)))


def measure_name(key: str, words: Words) -> str:
    """What a key of a comparison, such as ``top_k.5``, is called."""
    part, _, rest = key.partition(".")
    if part == "top_k":
        return words("top", k=rest)
    if part in ("hit_at", "precision_at"):
        k, _, protocol = rest.partition(".")
        return f"{words(part, k=k)}, {protocol}" if protocol else words(part, k=k)
    if part == "selective":
        return words("aurc", by=words(rest.removesuffix(".aurc")))
    return f"{words(part)}, {rest}" if rest else words(part)


def _differences(report: Mapping[str, Any], words: Words) -> Table:
    header = [words(key) for key in ("measure", "first_model", "second_model", "difference", "interval")]
    rows = [
        (
            measure_name(key, words),
            number(row["first"]),
            number(row["second"]),
            "-" if row["value"] is None else f"{row['value']:+.3f}",
            interval(row["ci"]),
            number(row["p"]),
        )
        for key, row in report["differences"].items()
    ]
    return Table(words("headline"), (*header, words("p_bootstrap")), tuple(rows), (1, 2, 3, 4, 5))


def _mcnemar(report: Mapping[str, Any], words: Words) -> Table:
    header = tuple(words(key) for key in ("measure", "only_first", "only_second", "p"))
    rows = tuple(
        (
            measure_name(key, words),
            str(row["only_first"]),
            str(row["only_second"]),
            f"{row['p']:.3g}",
        )
        for key, row in report["mcnemar"].items()
    )
    return Table(words("mcnemar"), header, rows, (1, 2, 3))


def _areas(report: Mapping[str, Any], words: Words) -> Table:
    rows = []
    for kind in ("deletion", "insertion"):
        for name, each in report[kind].items():
            rows.append((f"{words(kind)}: {words(name)}", number(each["value"]), interval(each["ci"])))
        won = report["won"][kind]
        rows.append((f"{words(kind)}: {words('won')}", number(won["value"]), interval(won["ci"])))
    rows.append((words("images"), str(report["n"]), ""))
    header = (words("measure"), words("value"), words("interval"))
    return Table(words("headline"), header, tuple(rows), (1, 2))


def _leakage_tables(report: Mapping[str, Any], words: Words) -> list[Table]:
    header = tuple(words(key) for key in ("kind", "train", "test", "distance", "correlation"))
    rows = tuple(
        (
            words(pair["kind"]),
            pair["train"],
            pair["test"],
            str(pair["distance"]),
            number(pair["correlation"]),
        )
        for pair in report["pairs"]
    )
    groups = tuple((row["group"], str(row["train"]), str(row["test"])) for row in report["groups_in_both"])
    return [
        Table(words("pairs"), header, rows, (3, 4)),
        Table(words("groups_in_both"), (words("same_group"), words("train"), words("test")), groups, (1, 2)),
    ]


@cache
def _table() -> dict[str, dict[str, str]]:
    text = resources.files("retizero.evaluation").joinpath("words.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = yaml.safe_load(text)
    return loaded
