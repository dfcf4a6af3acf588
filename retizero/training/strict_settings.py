"""Settings read strictly from a YAML file: an unknown, missing or impossible one is named in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from retizero.training.errors import ConfigError


class StrictSettings(BaseModel):
    """Frozen settings that know their names and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class RepeatedSetting(yaml.YAMLError):
    """A name stands twice among settings; YAML would take the last one without a word."""


class _OnceEach(yaml.SafeLoader):
    """Reads plain values, and no name twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [str(name.value) for name, _ in node.value]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise RepeatedSetting(repeated[0])
        return super().construct_mapping(node, deep)


S = TypeVar("S", bound=StrictSettings)


def read_settings(path: Path, kind: type[S]) -> S:
    """Read a YAML file into settings.

    Raises:
        ConfigError: The file is missing, not YAML, or a setting in it is unknown, missing or impossible.
    """
    return settings_of(read_yaml(path), kind, str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings by name.

    Raises:
        ConfigError: The file is missing, not YAML, or holds something else.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _OnceEach)
    except OSError as error:
        raise ConfigError(f"The configuration {path} cannot be opened.") from error
    except RepeatedSetting as error:
        raise ConfigError(f"{path}: the setting {error} is there twice.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration {path} is not valid YAML.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The configuration {path} must hold settings by name.")
    return values


def settings_of(values: dict[str, Any], kind: type[S], where: str) -> S:
    """Make settings of plain values; ``where`` says in a message whose they are.

    Raises:
        ConfigError: A setting is unknown, missing or impossible.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "the settings"
    if first["type"] == "extra_forbidden":
        return f"there is no setting {name}."
    if first["type"] == "missing":
        return f"the setting {name} is missing."
    reason, given = first["msg"].removeprefix("Value error, "), first.get("input")
    return f"{name}: {reason}." if isinstance(given, dict) else f"{name}: {reason} (not {given!r})."
