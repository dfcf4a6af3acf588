"""How a clinician signs an entry off, and how an edit takes the signature away again.

1. Read the entry: ``retizero knowledge show ID`` or the Diseases page; correct its YAML in a text editor
   where it is wrong.
2. Sign: ``retizero knowledge review ID --by "Dr X" [--comment "..."]``. This sets ``reviewed: true`` in the
   entry's YAML (one line changes) and records who signed, when, and a hash of the content in
   ``reviews.yaml``. Both files are committed together.
3. The entry shows as reviewed while its content has that hash. Any later edit makes it unreviewed;
   ``retizero knowledge check`` then asks to sign again or to set ``reviewed: false``. ``--withdraw`` takes
   a signature back.
"""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from retizero.knowledge.entries import DISEASES, HERE, content_hash, read_raw_entries, read_yaml
from retizero.knowledge.errors import CatalogueError, ReviewError

REVIEWS = HERE / "reviews.yaml"
_HEADER = "# Sign-offs of entries, written by `retizero knowledge review`; see review.py for the workflow.\n"


@dataclass(frozen=True)
class Review:
    """One sign-off: by whom, when (UTC, ISO 8601), for which content."""

    by: str
    at: str
    content_hash: str
    comment: str = ""


def read_reviews(path: Path = REVIEWS) -> dict[str, Review]:
    """The standing sign-offs by entry id; empty when nobody has signed yet."""
    if not path.exists():
        return {}
    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise CatalogueError(f"The file {path.name} must map entry ids to sign-offs.")
    try:
        return {str(id): Review(**fields) for id, fields in content.items()}
    except TypeError as error:
        raise CatalogueError(
            f"The file {path.name} must give by, at, content_hash and comment of each sign-off."
        ) from error


def sign_off(
    id: str,
    by: str,
    comment: str = "",
    *,
    at: datetime | None = None,
    directory: Path = DISEASES,
    reviews: Path = REVIEWS,
) -> Review:
    """Record that a named person has read the entry and finds it right; raises ReviewError."""
    by = " ".join(by.split())
    if len(by) < 3:
        raise ReviewError("A sign-off needs the full name of the person who read the entry (--by).")
    raw = next((entry for entry in read_raw_entries(directory) if entry["id"] == id), None)
    if raw is None:
        raise ReviewError(f"The catalogue has no entry with the id {id!r}.")
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    review = Review(
        by=by,
        at=moment.isoformat(timespec="seconds"),
        content_hash=content_hash(raw),
        comment=comment.strip(),
    )
    _set_flag(directory / f"{raw['group']}.yaml", id, True)
    _write({**read_reviews(reviews), id: review}, reviews)
    return review


def withdraw(id: str, *, directory: Path = DISEASES, reviews: Path = REVIEWS) -> None:
    """Take a sign-off back; raises ReviewError when there is none."""
    standing = read_reviews(reviews)
    raw = next((entry for entry in read_raw_entries(directory) if entry["id"] == id), None)
    if raw is None or id not in standing:
        raise ReviewError(f"The entry {id!r} has no sign-off to withdraw.")
    _set_flag(directory / f"{raw['group']}.yaml", id, False)
    _write({key: review for key, review in standing.items() if key != id}, reviews)


def _set_flag(path: Path, id: str, reviewed: bool) -> None:
    """Change the ``reviewed:`` line of one entry and nothing else in the file."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    inside = False
    for number, line in enumerate(lines):
        start = re.match(r"- (?:id: *[\"']?([\w-]+))?", line)
        if start:
            inside = start.group(1) == id
        elif inside and re.match(r"  reviewed: *(true|false)\b", line):
            lines[number] = re.sub(r"(true|false)", str(reviewed).lower(), line, count=1)
            _replace(path, "".join(lines))
            return
    raise ReviewError(
        f"The entry {id!r} in {path.name} must begin with '- id: {id}' and have a line 'reviewed: false'."
    )


def _write(standing: dict[str, Review], path: Path) -> None:
    content = {id: asdict(review) for id, review in sorted(standing.items())}
    _replace(path, _HEADER + yaml.safe_dump(content, allow_unicode=True, sort_keys=False))


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(path.name + ".new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ReviewError(
            f"The file {path.name} cannot be written here ({error.strerror}); review in a checkout."
        ) from error
