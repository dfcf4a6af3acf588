"""A report to read: tables, figures, methods and reporting checklists, from the JSON of ``analyse`` alone."""

from reader_study.documents.html import to_html
from reader_study.documents.markdown import to_markdown

__all__ = ["to_html", "to_markdown"]
