"""The protocol of a study: what STUDY.yaml may say, checked in full before anything is stored."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reader_study.errors import DesignError
from reader_study.scoring import RULES, TRUTHS
from retizero.knowledge import AcceptanceRule

LARGEST_SEED = 2**31 - 1
ALL_READERS = "all"


@dataclass(frozen=True)
class Protocol:
    """What is fixed before the first case is read.

    Attributes:
        name: short name for commands and file names.
        title: what readers see.
        version: of the protocol, as its authors count.
        label_set: named label set that the model ranks.
        k: how many ranked diagnoses a reader may give.
        confidence_levels: the scale runs from 1 to this number.
        periods: how often each reader reads every case.
        wash_out_days: days between the last reading of a period and the first of the next.
        seed: of every order of cases.
        rule: which catalogue entries match the reference standard, see ``scoring``.
        truths: what a case with several correct diagnoses asks for, see ``scoring``.
        readers: user names, or ``all``: every active reader, also those who come later.
        free_text: whether a diagnosis outside the catalogue may be typed, for adjudication.
        synthetic: whether the cases are no photographs of people.
        live_results: whether a manager sees accuracy while the study is open; for teaching only, and said so.
    """

    name: str
    title: str
    version: str = "1"
    label_set: str = "broad52"
    k: int = 5
    confidence_levels: int = 5
    periods: int = 1
    wash_out_days: int = 0
    seed: int = field(default_factory=lambda: secrets.randbelow(LARGEST_SEED))
    rule: AcceptanceRule = "same"
    truths: str = "any"
    readers: tuple[str, ...] | str = ALL_READERS
    free_text: bool = True
    synthetic: bool = False
    live_results: bool = False

    def __post_init__(self) -> None:
        """Refuse what no study can mean."""
        problems = [sentence for holds, sentence in _checks(self) if not holds]
        if problems:
            raise DesignError("The protocol cannot be used.", problems)

    @property
    def config(self) -> dict[str, Any]:
        """What the study's row keeps as JSON: the parts without a column of their own."""
        readers = self.readers if isinstance(self.readers, str) else list(self.readers)
        return {
            "periods": self.periods,
            "rule": self.rule,
            "truths": self.truths,
            "readers": readers,
            "free_text": self.free_text,
            "live_results": self.live_results,
        }


def _checks(p: Protocol) -> list[tuple[bool, str]]:
    return [
        (
            bool(re.fullmatch(r"[\w.-]{1,64}", p.name)),
            "name: 1 to 64 letters, digits or . _ - without spaces.",
        ),
        (0 < len(p.title) <= 200 and p.title.isprintable(), "title: one line of 1 to 200 characters."),
        (0 < len(p.version) <= 40 and p.version.isprintable(), "protocol_version: 1 to 40 characters."),
        (1 <= p.k <= 20, "k: a number from 1 to 20."),
        (2 <= p.confidence_levels <= 101, "confidence_levels: a number from 2 to 101."),
        (1 <= p.periods <= 10, "periods: a number from 1 to 10."),
        (0 <= p.wash_out_days <= 3650, "wash_out_days: a number from 0 to 3650."),
        (0 <= p.seed <= LARGEST_SEED, f"seed: a number from 0 to {LARGEST_SEED}."),
        (p.rule in RULES, f"rule: one of {', '.join(RULES)}."),
        (p.truths in TRUTHS, f"truths: one of {', '.join(TRUTHS)}."),
        (
            p.readers == ALL_READERS or not isinstance(p.readers, str),
            "readers: `all` or a list of user names.",
        ),
        (
            p.synthetic or not p.live_results,
            "live_results: results before the lock are for teaching on synthetic cases; set "
            "`synthetic: true`.",
        ),
    ]


TYPES: dict[str, type] = {
    "name": str,
    "title": str,
    "protocol_version": str,
    "label_set": str,
    "k": int,
    "confidence_levels": int,
    "periods": int,
    "wash_out_days": int,
    "seed": int,
    "rule": str,
    "truths": str,
    "free_text": bool,
    "synthetic": bool,
    "live_results": bool,
}
KEYS = (*TYPES, "design", "arms", "readers")


def protocol_from(content: Mapping[str, Any], default_name: str = "") -> tuple[Protocol, tuple[str, ...]]:
    """Read the content of STUDY.yaml.

    Returns:
        The protocol, and one warning for each key that has no meaning here.

    Raises:
        DesignError: with every key of a wrong type or value.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for key, kind in TYPES.items():
        if (value := content.get(key)) is None:
            continue
        if kind is str and type(value) in (int, float):
            value = str(value)
        if type(value) is not kind:
            word = {str: "text", int: "a whole number", bool: "true or false"}[kind]
            problems.append(f"{key}: must be {word}.")
            continue
        values["version" if key == "protocol_version" else key] = value
    if content.get("design", "single") != "single":
        problems.append("design: only `single` (one arm, unaided) can be run by this version.")
    if content.get("arms", ["unaided"]) not in (["unaided"], "unaided"):
        problems.append("arms: only `unaided` can be run by this version.")
    readers = content.get("readers", ALL_READERS)
    if isinstance(readers, list) and readers and all(isinstance(name, str) for name in readers):
        values["readers"] = tuple(readers)
    elif readers != ALL_READERS:
        problems.append("readers: must be `all` or a list of user names.")
    if problems:
        raise DesignError("The protocol cannot be used.", problems)
    values.setdefault("name", default_name)
    values.setdefault("title", values["name"])
    warnings = tuple(
        f"{key}: is not a key of the protocol and was ignored." for key in content if key not in KEYS
    )
    return Protocol(**values), warnings


def read_protocol(path: Path) -> tuple[Protocol, tuple[str, ...]]:
    """Read STUDY.yaml; the file's name is the study's name where the file gives none.

    Raises:
        DesignError: the file is missing, no YAML mapping, or says something that cannot be.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DesignError(f"The protocol {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError):
        raise DesignError(f"The protocol {path} is not valid YAML.") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise DesignError(f"The protocol {path} must be a list of `key: value` lines.")
    return protocol_from(content, path.stem)
