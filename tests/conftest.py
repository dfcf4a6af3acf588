"""Fixtures that every room's tests share."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs and reference numbers that lies beside the checkout, not in it."""
    if not (SHARED / "README.md").exists():
        pytest.skip("the folder ../shared (photographs, parity and reference data) is not beside this checkout")
    return SHARED
