"""Accessible HTML tables: a caption, header cells with a scope, every value escaped."""

from collections.abc import Iterable, Sequence
from html import escape


def html_table(
    caption: str, headers: Sequence[str], rows: Iterable[Sequence[object]], numeric: Sequence[int] = ()
) -> str:
    """Return a table as HTML.

    Args:
        caption: what the table shows, read first by a screen reader.
        headers: column names; the first column's cells are row headers.
        rows: cell values, shown as text.
        numeric: indices of columns to align right.
    """
    head = "".join(
        f'<th scope="col"{_align(i, numeric)}>{escape(str(h))}</th>' for i, h in enumerate(headers)
    )
    body = []
    for row in rows:
        cells = [f'<th scope="row"{_align(0, numeric)}>{escape(str(row[0]))}</th>']
        cells += [f"<td{_align(i, numeric)}>{escape(str(v))}</td>" for i, v in enumerate(row[1:], start=1)]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="rz-table" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def statement(text: str, kind: str = "plain") -> str:
    """Return one sentence as a paragraph; ``kind`` is plain, good, warning or problem."""
    role = ' role="alert"' if kind == "problem" else ""
    return f'<p class="rz-{kind}"{role}>{escape(text)}</p>'


def progress_bar(text: str, done: int, total: int) -> str:
    """Return how far something is, in words and as a bar; a page that holds it loads itself again."""
    told, label = escape(text), escape(text, quote=True)
    bar = f'<progress max="{max(total, 1)}" value="{done}" aria-label="{label}"></progress>'
    return f'<div class="rz-warning" role="status"><p>{told}</p>{bar}</div>'


def _align(column: int, numeric: Sequence[int]) -> str:
    return ' class="rz-number"' if column in numeric else ""
