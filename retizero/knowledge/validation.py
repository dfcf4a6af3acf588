"""Every check of the catalogue that needs no clinician; each problem is one sentence.

``python -m retizero.knowledge.validation [GROUP ...]`` prints them; ``retizero knowledge check`` and CI run
the same.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from retizero.knowledge.catalogue import Catalogue
from retizero.knowledge.entries import (
    DISEASES,
    SIGNS,
    Laterality,
    Rarity,
    content_hash,
    disease_from_raw,
    read_raw_entries,
    read_signs,
)
from retizero.knowledge.errors import KnowledgeError
from retizero.knowledge.label_sets import LABEL_SETS, nested_pairs, read_label_sets
from retizero.knowledge.review import REVIEWS, read_reviews
from retizero.knowledge.spelling import key

LISTS = (
    "synonyms",
    "abbreviations",
    "synonyms_zh",
    "parents",
    "icd10",
    "signs",
    "descriptions",
    "look_alikes",
)
REQUIRED = ("id", "name", "name_zh", "group", *LISTS, "rarity", "laterality", "note", "reviewed")
OPTIONAL = {"misspellings", "gene", "orpha", "omim"}

MIN_DESCRIPTIONS = 3
MAX_DESCRIPTION = 220  # characters, so that a template fits beside it in 77 word pieces
MAX_DIFFERENCE = 160
MAX_NOTE = 320

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")

Entry = dict[str, Any]


def problems(
    directory: Path = DISEASES, signs: Path = SIGNS, label_sets: Path = LABEL_SETS, reviews: Path = REVIEWS
) -> list[str]:
    """All problems of the catalogue's files, in the order of the files; empty when there is none."""
    try:
        entries = read_raw_entries(directory)
        known_signs = read_signs(signs)
    except KnowledgeError as error:
        return [str(error)]
    found: list[str] = []
    for entry in entries:
        found += [f"{_where(entry)}: {problem}" for problem in _shape(entry)]
    found += _unique_ids(entries)
    if found:
        return found  # the checks below need whole entries
    for check in (_terms, _relations, _look_alikes, _descriptions, _codes):
        found += check(entries)
    found += _signs(entries, known_signs)
    found += _reviews(entries, reviews)
    found += _label_sets(entries, label_sets)
    return found


def _where(entry: Entry) -> str:
    return f"{entry['group']}/{entry['id']}"


def _shape(entry: Entry) -> Iterator[str]:
    for field in REQUIRED:
        if field not in entry:
            yield f"the field {field} is missing"
    for field in sorted(set(entry) - set(REQUIRED) - OPTIONAL):
        yield f"the field {field} is unknown"
    for field in (*LISTS, "misspellings"):
        value = entry.get(field, [])
        if not isinstance(value, list):
            yield f"{field} must be a list"
        elif field == "look_alikes":
            if any(not isinstance(item, dict) or set(item) != {"id", "difference"} for item in value):
                yield "each look-alike must be {id, difference}"
        elif any(not isinstance(item, str) or not item.strip() for item in value):
            yield f"{field} must hold texts only (quote what YAML reads as something else)"
    for field in ("id", "name", "name_zh", "note"):
        if not isinstance(entry.get(field, ""), str) or not str(entry.get(field, "x")).strip():
            yield f"{field} must be a text"
    if not _SLUG.fullmatch(str(entry["id"])):
        yield "the id must be lower-case words joined by hyphens"
    if not _CHINESE.search(str(entry.get("name_zh", ""))):
        yield "name_zh must be the Chinese name"
    if entry.get("rarity") not in get_args(Rarity):
        yield f"rarity must be one of {', '.join(get_args(Rarity))}"
    if entry.get("laterality") not in get_args(Laterality):
        yield f"laterality must be one of {', '.join(get_args(Laterality))}"
    if not isinstance(entry.get("reviewed"), bool):
        yield "reviewed must be false, or true by a sign-off"
    if len(str(entry.get("note", ""))) > MAX_NOTE:
        yield f"the note is longer than {MAX_NOTE} characters"


def _unique_ids(entries: list[Entry]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for entry in entries:
        if entry["id"] in seen:
            yield f"{_where(entry)}: the id is used twice (also in {seen[entry['id']]}.yaml)"
        seen.setdefault(entry["id"], entry["group"])


def _terms(entries: list[Entry]) -> Iterator[str]:
    """A name, synonym or misspelling belongs to one entry, once, whatever its spelling; so does an id."""
    owners: dict[str, tuple[Entry, str]] = {}
    for entry in entries:
        for field in ("name", "name_zh", "synonyms", "synonyms_zh", "misspellings", "id"):
            value = entry.get(field, [])
            for term in [value] if isinstance(value, str) else value:
                folded = key(term)
                other, first = owners.get(folded, (None, ""))
                if not folded:
                    yield f"{_where(entry)}: the term {term!r} has no letters"
                elif other is None:
                    owners[folded] = (entry, term)
                elif other is not entry or field != "id":
                    whose = "itself" if other is entry else _where(other)
                    yield f"{_where(entry)}: {field} {term!r} is the same term as {first!r} of {whose}"
        if len(set(map(str.upper, entry["abbreviations"]))) < len(entry["abbreviations"]):
            yield f"{_where(entry)}: an abbreviation is listed twice"


def _relations(entries: list[Entry]) -> Iterator[str]:
    parents = {entry["id"]: entry["parents"] for entry in entries}
    for entry in entries:
        for parent in entry["parents"]:
            if parent not in parents:
                yield f"{_where(entry)}: the parent {parent} is no entry"
        if _leads_to(entry["id"], parents):
            yield f"{_where(entry)}: the entry is its own ancestor"


def _leads_to(id: str, parents: dict[str, list[str]]) -> bool:
    waiting, seen = list(parents[id]), set()
    while waiting:
        above = waiting.pop()
        if above == id:
            return True
        if above not in seen:
            seen.add(above)
            waiting.extend(parents.get(above, []))
    return False


def _look_alikes(entries: list[Entry]) -> Iterator[str]:
    named = {entry["id"]: [item["id"] for item in entry["look_alikes"]] for entry in entries}
    for entry in entries:
        where = _where(entry)
        if len(set(named[entry["id"]])) < len(named[entry["id"]]):
            yield f"{where}: a look-alike is listed twice"
        for item in entry["look_alikes"]:
            other = item["id"]
            if other == entry["id"]:
                yield f"{where}: the entry is its own look-alike"
            elif other not in named:
                yield f"{where}: the look-alike {other} is no entry"
            elif entry["id"] not in named[other]:
                yield f"{where}: the look-alike {other} does not name this entry in return"
            if not 8 <= len(item["difference"]) <= MAX_DIFFERENCE:
                yield f"{where}: the difference to {other} must be 8 to {MAX_DIFFERENCE} characters"


def _descriptions(entries: list[Entry]) -> Iterator[str]:
    owners: dict[str, str] = {}
    for entry in entries:
        where = _where(entry)
        if len(entry["descriptions"]) < MIN_DESCRIPTIONS:
            yield f"{where}: {len(entry['descriptions'])} descriptions, {MIN_DESCRIPTIONS} are needed"
        for text in entry["descriptions"]:
            folded = key(text)
            if folded in owners:
                yield f"{where}: the description {text[:50]!r}... is also in {owners[folded]}"
            owners.setdefault(folded, where)
            if not 30 <= len(text) <= MAX_DESCRIPTION:
                yield f"{where}: {text[:50]!r}... has {len(text)} signs, not 30 to {MAX_DESCRIPTION}"
            if text.rstrip().endswith("."):
                yield f"{where}: the description {text[:50]!r}... ends with a full stop"


def _codes(entries: list[Entry]) -> Iterator[str]:
    """ICD-10-CM codes exist in the packaged table; silent without the (development) package."""
    try:
        import simple_icd_10_cm
    except ImportError:
        return
    for entry in entries:
        for code in entry["icd10"]:
            if not simple_icd_10_cm.is_valid_item(code):
                yield f"{_where(entry)}: {code} is no ICD-10-CM code"


def _signs(entries: list[Entry], signs: Iterable[Any]) -> Iterator[str]:
    known = [sign.id for sign in signs]
    for sign in sorted({sign for sign in known if known.count(sign) > 1}):
        yield f"signs.yaml: the sign {sign} is defined twice"
    for entry in entries:
        if not entry["signs"]:
            yield f"{_where(entry)}: no signs are linked"
        for sign in entry["signs"]:
            if sign not in known:
                yield f"{_where(entry)}: the sign {sign} is not in signs.yaml"


def _reviews(entries: list[Entry], path: Path) -> Iterator[str]:
    standing = read_reviews(path)
    by_id = {entry["id"]: entry for entry in entries}
    for id in standing:
        if id not in by_id:
            yield f"reviews.yaml: {id} is signed off but is no entry"
    for entry in entries:
        review = standing.get(entry["id"])
        if entry["reviewed"] and review is None:
            yield f"{_where(entry)}: reviewed is true without a sign-off (`knowledge review`)"
        elif entry["reviewed"] and review is not None and review.content_hash != content_hash(entry):
            yield f"{_where(entry)}: changed since {review.by} signed; sign again or set reviewed: false"


def _label_sets(entries: list[Entry], path: Path) -> Iterator[str]:
    catalogue = Catalogue(disease_from_raw(entry) for entry in entries)
    for name, raw in read_label_sets(path).items():
        where = f"label_sets.yaml/{name}"
        missing = {"version", "title", "title_zh", "labels", "nested"} - set(raw)
        if missing:
            yield f"{where}: {', '.join(sorted(missing))} missing"
            continue
        fields = [{"id": item} if isinstance(item, str) else item for item in raw["labels"]]
        ids = tuple(item["id"] for item in fields)
        for item in fields:
            if item["id"] not in catalogue:
                yield f"{where}: {item['id']} is no entry"
            elif "label" in item and catalogue.resolve(item["label"]).id not in (item["id"], None):
                yield f"{where}: the label {item['label']!r} names another entry than {item['id']}"
        for id in sorted({id for id in ids if ids.count(id) > 1}):
            yield f"{where}: {id} is listed twice"
        if not raw["nested"]:
            for child, parent in nested_pairs(ids, catalogue):
                yield f"{where}: {child} and its parent {parent} are both in it; take one or set nested: true"


def main(groups: list[str], write: Callable[[str], object] = print) -> int:
    """Print the problems (of some groups) and return how many there are."""
    found = [
        text
        for text in problems()
        if not groups or text.split("/")[0] in groups or "/" not in text.split(":")[0]
    ]
    for text in found:
        write(text)
    write(f"{len(found)} problems")
    return len(found)


if __name__ == "__main__":
    raise SystemExit(min(main(sys.argv[1:]), 1))
