"""Every setting of the server, in one typed place: environment ``RETIZERO_*`` and ``app.py``'s options."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError


class Settings(BaseSettings):
    """What a running server was told.

    The command line wins over the environment, the environment over these defaults. On a Hugging Face
    Space (``SPACE_ID`` is set) the server listens on all addresses, as the platform requires.
    """

    model_config = SettingsConfigDict(env_prefix="RETIZERO_", env_file=".env", extra="ignore", frozen=True)

    host: str = Field(
        default_factory=lambda: "0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1",
        description="address to listen on",
    )
    port: int = Field(default=7860, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    data: Path = Field(default=Path("data"), description="folder for the database, gallery and secrets")
    database: str = Field(default="", description="database URL; empty means SQLite inside the data folder")
    model: str = Field(default="retizero-mini", description="id or folder of the model that answers")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", description="where the model runs")
    compile: bool = Field(
        default=False,
        description="compile the model for this machine at start, which takes minutes",
    )
    demo_study: bool = Field(default=True, description="create the synthetic demo study on first start")
    session_hours: float = Field(default=12.0, gt=0, description="hours until a login session expires")
    secure_cookies: bool = Field(default=False, description="send cookies over https only; set behind TLS")
    max_study_mb: int = Field(
        default=4096, ge=1, le=65536, description="largest case archive a manager may send, in MB"
    )
    max_upload_mb: int = Field(default=64, ge=1, le=1024, description="largest accepted upload, in MB")

    @field_validator("database")
    @classmethod
    def _is_database_url(cls, value: str) -> str:
        if value:
            try:
                make_url(value)
            except ArgumentError:
                raise ValueError("is not a database URL like sqlite:///data/retizero.db") from None
        return value

    @property
    def database_url(self) -> str:
        """The URL SQLAlchemy opens: the given one, or a SQLite file inside the data folder."""
        return self.database or f"sqlite:///{(self.data / 'retizero.db').resolve()}"

    def describe(self) -> str:
        """Return one line per setting for the log at start; passwords in URLs are masked."""
        shown = self.model_dump()
        shown["database"] = make_url(self.database_url).render_as_string(hide_password=True)
        width = max(len(name) for name in shown)
        return "\n".join(f"  {name:<{width}}  {value}" for name, value in shown.items())


def parse_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line over the environment.

    Args:
        arguments: the words after ``app.py``; None reads ``sys.argv``.

    Raises:
        SystemExit: a value cannot be used; one sentence per problem is on stderr, exit status 2.
    """
    parser = argparse.ArgumentParser(
        prog="app.py", description="Serve RetiZero Studio.", epilog="Each option is also RETIZERO_<OPTION>."
    )
    for name, field in Settings.model_fields.items():
        option = "--" + name.replace("_", "-")
        if field.annotation is bool:
            action: Any = argparse.BooleanOptionalAction
            parser.add_argument(option, action=action, default=None, help=field.description)
        else:
            parser.add_argument(option, default=None, help=field.description)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        parser.error("; ".join(f"{p['loc'][0]}: {p['msg']}" for p in error.errors()))
