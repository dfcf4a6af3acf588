"""STUDY.yaml: the protocol as a file, every key of a wrong type or value named at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reader_study.errors import DesignError
from reader_study.protocol import ALL_READERS, INVITED_READERS, Protocol

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
    "design": str,
    "blocks": int,
    "repeats": int,
    "time_limit_seconds": int,
    "corrections": bool,
    "findings": bool,
    "consent": str,
    "profile": bool,
    "reference": str,
}
LISTS = ("arms", "stratify_by")
KEYS = (*TYPES, *LISTS, "readers")
DESIGN_WORDS = {"single_arm": "single", "splitplot": "split_plot", "cross_over": "crossover"}


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
    if "design" in values:
        word = values["design"].strip().casefold().replace("-", "_").replace(" ", "_")
        values["design"] = DESIGN_WORDS.get(word, word)
    for key in LISTS:
        if (value := content.get(key)) is None:
            continue
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            problems.append(f"{key}: must be a list of words.")
        else:
            values[key] = tuple(words)
    for key, lowest in (("periods", 1), ("wash_out_days", 0), ("blocks", 1)):
        if values.get(key, lowest) < lowest:
            problems.append(f"{key}: must be at least {lowest}.")
    readers = content.get("readers", ALL_READERS)
    if isinstance(readers, list) and readers and all(isinstance(name, str) for name in readers):
        values["readers"] = tuple(readers)
    elif readers in (ALL_READERS, INVITED_READERS):
        values["readers"] = readers
    else:
        problems.append("readers: must be `all`, `invited` or a list of user names.")
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
