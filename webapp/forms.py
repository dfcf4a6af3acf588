"""Parts of plain HTML forms: every control has its label, every value is escaped."""

from collections.abc import Iterable
from html import escape


def text(
    name: str, label: str, *, value: object = "", kind: str = "text", help: str = "", more: str = ""
) -> str:
    """Return a labelled one-line input; ``more`` is further attributes, trusted."""
    control = f'<input name="{name}" type="{kind}" value="{escape(str(value), quote=True)}" {more}>'
    return _labelled(label, control, help)


def area(name: str, label: str, *, value: str = "", rows: int = 5, help: str = "") -> str:
    """Return a labelled text of several lines."""
    return _labelled(label, f'<textarea name="{name}" rows="{rows}">{escape(value)}</textarea>', help)


def choice(
    name: str, label: str, options: Iterable[tuple[str, str]], *, value: str = "", help: str = ""
) -> str:
    """Return a labelled select of (value, words)."""
    items = "".join(
        f'<option value="{escape(key, quote=True)}"{" selected" * (key == value)}>{escape(words)}</option>'
        for key, words in options
    )
    return _labelled(label, f'<select name="{name}">{items}</select>', help)


def tick(name: str, label: str, *, value: bool = False, required: bool = False) -> str:
    """Return a labelled check box."""
    marks = (" checked" if value else "") + (" required" if required else "")
    box = f'<input type="checkbox" name="{name}" value="1"{marks}>'
    return f'<label class="rz-check">{box} {escape(label)}</label>'


def file(name: str, label: str, accept: str, help: str, *, required: bool = False) -> str:
    """Return a labelled file input."""
    mark = " required" if required else ""
    return _labelled(label, f'<input type="file" name="{name}" accept="{accept}"{mark}>', help)


def form(
    action: str, *parts: str, submit: str, enctype: str = "", klass: str = "rz-form", quiet: bool = False
) -> str:
    """Return a form that posts to ``action``."""
    files = f' enctype="{enctype}"' if enctype else ""
    kind = ' class="rz-secondary"' if quiet else ""
    return (
        f'<form class="{klass}" method="post" action="{escape(action, quote=True)}"{files}>{"".join(parts)}'
        f'<button type="submit"{kind}>{escape(submit)}</button></form>'
    )


def _labelled(label: str, control: str, help: str) -> str:
    small = f'<small class="rz-quiet">{escape(help)}</small>' if help else ""
    return f'<label class="rz-field"><span>{escape(label)}</span>{control}{small}</label>'
