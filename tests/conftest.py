"""Fixtures that every room's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running_server import RunningServer, running_server

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs and reference numbers that lies beside the checkout, not in it."""
    if not (SHARED / "README.md").exists():
        pytest.skip(
            "the folder ../shared (photographs, parity and reference data) is not beside this checkout"
        )
    return SHARED


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The whole product, started by ``app.py`` on a free port with an empty data folder."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running
