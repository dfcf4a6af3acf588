"""What an entry of the catalogue is, and how it is read from its YAML file.

The files are written for clinicians with a text editor: one list of entries per group in
``diseases/<group>.yaml``, one list of signs in ``signs.yaml``. Reading is strict about what the program
needs and silent about medicine; ``validation`` does the checks.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from retizero.knowledge.errors import CatalogueError

Rarity = Literal["common", "uncommon", "rare"]
Laterality = Literal["unilateral", "bilateral", "either"]

HERE = Path(__file__).parent
DISEASES = HERE / "diseases"
SIGNS = HERE / "signs.yaml"

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class LookAlike:
    """Another entry that is taken for this one, and what it shows that this one does not."""

    id: str
    difference: str


@dataclass(frozen=True)
class Sign:
    """One word of the controlled vocabulary of fundus signs."""

    id: str
    name: str
    name_zh: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Disease:
    """One entry: a disease, a stage of one, a finding, a state after treatment, or a state of the photograph.

    ``reviewed`` is true only while a clinician's sign-off stands for exactly this content (see ``review``).
    """

    id: str
    name: str
    name_zh: str
    group: str
    rarity: Rarity
    laterality: Laterality
    synonyms: tuple[str, ...] = ()
    abbreviations: tuple[str, ...] = ()
    synonyms_zh: tuple[str, ...] = ()
    misspellings: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    gene: str | None = None
    icd10: tuple[str, ...] = ()
    orpha: str | None = None
    omim: str | None = None
    signs: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    look_alikes: tuple[LookAlike, ...] = ()
    note: str = ""
    reviewed: bool = False
    content_hash: str = ""

    @property
    def synonym_count(self) -> int:
        """How many other terms the entry answers to: English, Chinese, abbreviations; not misspellings."""
        return len(self.synonyms) + len(self.abbreviations) + len(self.synonyms_zh)


def content_hash(raw: dict[str, Any]) -> str:
    """SHA-256 (16 hex digits) of an entry's content without its ``reviewed`` flag; any edit changes it."""
    content = {key: value for key, value in raw.items() if key != "reviewed"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_yaml(path: Path) -> object:
    """Parse one YAML file; raises CatalogueError with file and line when it is not YAML."""
    try:
        content: object = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        return content
    except OSError as error:
        raise CatalogueError(f"The catalogue file {path.name} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise CatalogueError(f"The catalogue file {path.name} is not valid YAML{where}.") from error


def read_raw_entries(directory: Path = DISEASES) -> list[dict[str, Any]]:
    """All entries as they stand in the files, in file order; a missing ``group`` is the file's name."""
    entries: list[dict[str, Any]] = []
    for path in sorted(directory.glob("*.yaml")):
        content = read_yaml(path)
        if not isinstance(content, list):
            raise CatalogueError(f"The catalogue file {path.name} must hold one list of entries.")
        for position, raw in enumerate(content, start=1):
            if not isinstance(raw, dict) or not raw.get("id"):
                raise CatalogueError(f"Entry {position} of {path.name} has no id.")
            entries.append({"group": path.stem, **raw})
    return entries


def disease_from_raw(raw: dict[str, Any], signed_hash: str | None = None) -> Disease:
    """Turn one parsed entry into a Disease; raises CatalogueError that names the entry and the field."""
    digest = content_hash(raw)
    try:
        return Disease(
            id=str(raw["id"]),
            name=str(raw["name"]),
            name_zh=str(raw["name_zh"]),
            group=str(raw["group"]),
            rarity=raw["rarity"],
            laterality=raw["laterality"],
            synonyms=_texts(raw, "synonyms"),
            abbreviations=_texts(raw, "abbreviations"),
            synonyms_zh=_texts(raw, "synonyms_zh"),
            misspellings=_texts(raw, "misspellings"),
            parents=_texts(raw, "parents"),
            gene=raw.get("gene"),
            icd10=_texts(raw, "icd10"),
            orpha=_optional(raw, "orpha"),
            omim=_optional(raw, "omim"),
            signs=_texts(raw, "signs"),
            descriptions=_texts(raw, "descriptions"),
            look_alikes=tuple(
                LookAlike(id=str(item["id"]), difference=str(item["difference"]))
                for item in raw.get("look_alikes") or []
            ),
            note=str(raw.get("note") or ""),
            reviewed=raw.get("reviewed") is True and signed_hash == digest,
            content_hash=digest,
        )
    except (KeyError, TypeError) as error:
        where = f"The entry {raw['id']!r} in {raw['group']}.yaml"
        raise CatalogueError(f"{where} is incomplete or malformed: {error}.") from error


def read_signs(path: Path = SIGNS) -> tuple[Sign, ...]:
    """The controlled vocabulary of signs, in file order."""
    signs = []
    content = read_yaml(path)
    if not isinstance(content, list):
        raise CatalogueError(f"The catalogue file {path.name} must hold one list of signs.")
    for raw in content:
        try:
            signs.append(Sign(str(raw["id"]), str(raw["name"]), str(raw["name_zh"]), _texts(raw, "synonyms")))
        except (KeyError, TypeError) as error:
            raise CatalogueError(f"A sign in {path.name} is incomplete: {raw!r} lacks {error}.") from error
    return tuple(signs)


def _texts(raw: dict[str, Any], field: str) -> tuple[str, ...]:
    value = raw.get(field) or []
    if isinstance(value, str):
        raise TypeError(f"{field} must be a list")
    return tuple(str(item) for item in value)


def _optional(raw: dict[str, Any], field: str) -> str | None:
    value = raw.get(field)
    return None if value is None else str(value)
