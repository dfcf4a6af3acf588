"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reader_study.documents.checklists import checklist
from reader_study.documents.method import NOTICE, facts_of
from reader_study.documents.tables import Table, tables_of


def to_markdown(report: Mapping[str, Any]) -> str:
    """Return the report of ``analyse`` as Markdown: notes, tables, methods, checklist."""
    parts = ["# Reader study: report", NOTICE]
    if report["notes"]:
        parts.append("\n".join(f"- {_cell(note)}" for note in report["notes"]))
    parts += [_section(table) for table in tables_of(report)]
    parts.append("## Methods\n\n" + "\n".join(f"- {name}: {_cell(text)}" for name, text in facts_of(report)))
    return "\n\n".join([*parts, _section(checklist(report))]) + "\n"


def _section(table: Table) -> str:
    rule = ["---:" if place >= table.numeric_from else "---" for place in range(len(table.header))]
    lines = [table.header, tuple(rule), *table.rows]
    body = "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)
    return f"## {table.title}\n\n{body}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
