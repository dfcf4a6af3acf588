"""Named, versioned lists of labels, and lists that a user writes.

``LabelSet`` is the one type that everything downstream takes. It comes from a name in ``label_sets.yaml``,
from "all" (every entry), from a file with one label a line, or from "a; b; c". A label that is no entry of
the catalogue is allowed as free text and gets the id ``free:<text>``.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from retizero.knowledge.catalogue import Catalogue, load_catalogue
from retizero.knowledge.entries import HERE, read_yaml
from retizero.knowledge.errors import CatalogueError, LabelError, UnknownLabelSet

LABEL_SETS = HERE / "label_sets.yaml"
FREE = "free:"
_MAX_FILE_BYTES = 1_000_000
_MAX_LABELS = 5_000
_MAX_LABEL_LENGTH = 200


@dataclass(frozen=True)
class LabelSet:
    """An ordered list of labels; ``names`` are what prompts and results show, ``ids`` what they mean.

    ``nested`` says that an entry and one of its parents stand in the set together on purpose.
    """

    name: str
    version: str
    title: str
    title_zh: str
    ids: tuple[str, ...]
    names: tuple[str, ...]
    names_zh: tuple[str, ...] = ()
    nested: bool = False

    def __len__(self) -> int:
        return len(self.ids)


def label_sets() -> tuple[str, ...]:
    """The names of the sets that come with the package, "all" last."""
    return (*_packaged(), "all")


def label_set(name: str, catalogue: Catalogue | None = None) -> LabelSet:
    """A named set; raises UnknownLabelSet with the names there are."""
    catalogue = catalogue or load_catalogue()
    if name == "all":
        return _everything(catalogue)
    sets = _packaged()
    if name not in sets:
        raise UnknownLabelSet(f"There is no label set {name!r}; there are {', '.join(label_sets())}.")
    return _build(name, sets[name], catalogue)


def parse_labels(spec: str | Path, catalogue: Catalogue | None = None) -> LabelSet:
    """The label set that a command line or a form means.

    Args:
        spec: a set's name, the path of a text file with one label a line (``#`` begins a comment), or labels
            separated by ``;``.
        catalogue: where labels are looked up; the packaged one by default.

    Raises:
        LabelError: nothing in it, one label twice, or a file that is not text.
    """
    catalogue = catalogue or load_catalogue()
    text = str(spec).strip()
    if text in label_sets():
        return label_set(text, catalogue)
    if "\n" not in text and ";" not in text and "；" not in text:
        path = Path(text).expanduser()
        if len(text) < 4096 and path.is_file():
            return _from_texts(_lines(path), f"file:{path.name}", catalogue)
        if isinstance(spec, Path) or path.suffix in {".txt", ".csv", ".labels"}:
            raise LabelError(f"The label file {path.name} does not exist.")
    return _from_texts(text.replace("；", ";").replace("\n", ";").split(";"), "custom", catalogue)


def one_label(text: str, catalogue: Catalogue | None = None) -> LabelSet:
    """The label set of a single diagnosis, given by id, name, synonym or free text; never a file or a set.

    Raises:
        LabelError: The text is empty, too long, or names several.
    """
    catalogue = catalogue or load_catalogue()
    if ";" in text or "；" in text:
        raise LabelError(f"One diagnosis is needed, not a list: {text[:60]!r}.")
    disease = catalogue.get(text.strip())
    return _from_texts([disease.name if disease else text.removeprefix(FREE)], "one", catalogue)


def nested_pairs(ids: tuple[str, ...], catalogue: Catalogue) -> tuple[tuple[str, str], ...]:
    """Pairs (child, ancestor) in one list; free labels have no relations."""
    present = set(ids)
    return tuple(
        (id, above) for id in ids if id in catalogue for above in sorted(catalogue.ancestors(id) & present)
    )


def read_label_sets(path: Path = LABEL_SETS) -> dict[str, Any]:
    """The sets as they stand in their file; raises CatalogueError when it is broken."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise CatalogueError(f"The file {path.name} must map names of label sets to their contents.")
    return content


@lru_cache(maxsize=1)
def _packaged() -> dict[str, Any]:
    return read_label_sets()


def _build(name: str, raw: dict[str, Any], catalogue: Catalogue) -> LabelSet:
    ids: list[str] = []
    names: list[str] = []
    names_zh: list[str] = []
    for item in raw["labels"]:
        fields = {"id": item} if isinstance(item, str) else item
        disease = catalogue[fields["id"]]
        ids.append(disease.id)
        names.append(fields.get("label", disease.name))
        names_zh.append(fields.get("label_zh", disease.name_zh))
    nested = bool(raw.get("nested", False))
    return LabelSet(
        name,
        str(raw["version"]),
        raw["title"],
        raw["title_zh"],
        tuple(ids),
        tuple(names),
        tuple(names_zh),
        nested,
    )


def _everything(catalogue: Catalogue) -> LabelSet:
    diseases = catalogue.diseases
    ids = tuple(disease.id for disease in diseases)
    return LabelSet(
        name="all",
        version=catalogue.version,
        title="Every entry of the catalogue",
        title_zh="目录全部条目",
        ids=ids,
        names=tuple(disease.name for disease in diseases),
        names_zh=tuple(disease.name_zh for disease in diseases),
        nested=True,
    )


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise LabelError(
                f"The label file {path.name} is larger than 1 MB; it must hold one label a line."
            )
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"The label file {path.name} cannot be read as UTF-8 text.") from error
    return [line.split("#", 1)[0] for line in text.splitlines()]


def _from_texts(texts: list[str], name: str, catalogue: Catalogue) -> LabelSet:
    labels = [" ".join(text.split()) for text in texts]
    labels = [label for label in labels if label]
    if not labels:
        raise LabelError(
            "The label list is empty; give a set's name, a file with one label a line, or 'a; b; c'."
        )
    if len(labels) > _MAX_LABELS:
        raise LabelError(
            f"The label list has {len(labels)} labels; {_MAX_LABELS} are the most that can be compared."
        )
    ids: list[str] = []
    for label in labels:
        if len(label) > _MAX_LABEL_LENGTH or not label.isprintable():
            raise LabelError(f"The label {label[:40]!r} is too long or has unprintable signs.")
        found = catalogue.resolve(label)
        id = found.id or FREE + label.casefold()
        if id in ids:
            raise LabelError(
                f"The labels {labels[ids.index(id)]!r} and {label!r} mean the same; keep one of them."
            )
        ids.append(id)
    names_zh = tuple(
        catalogue[id].name_zh if id in catalogue else label for id, label in zip(ids, labels, strict=True)
    )
    content = "\n".join(f"{id}\t{label}" for id, label in zip(ids, labels, strict=True))
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    nested = bool(nested_pairs(tuple(ids), catalogue))
    return LabelSet(
        name, digest, "Labels of the user", "用户标签", tuple(ids), tuple(labels), names_zh, nested
    )
