"""Files come from a path, a Hugging Face layout or an address, whole or not at all."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from retizero.cli import main
from retizero.model import ModelError
from retizero.model.pull import pull

CONTENT = bytes(range(256)) * 12_000  # 3 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class _Site:
    """What a server holds, and what it was asked."""

    content: bytes = CONTENT
    etag: str = '"one"'
    kind: str = "application/octet-stream"
    break_after: int | None = None
    ranges: list[str | None] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def site() -> Iterator[_Site]:
    state = _Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            start = 0
            if asked and self.headers.get("If-Range") == state.etag:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(state.content):
                    self.send_error(416)
                    return
            if self.path != "/models/RetiZero.pth":
                self.send_error(404)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", state.kind)
            self.send_header("Content-Length", str(len(state.content) - start))
            self.send_header("ETag", state.etag)
            self.end_headers()
            body = state.content[start:]
            self.wfile.write(body if state.break_after is None else body[: state.break_after])

        def log_message(self, *_: object) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.address = f"http://127.0.0.1:{server.server_port}/models/RetiZero.pth"
    yield state
    server.shutdown()
    server.server_close()


def test_a_file_comes_from_an_address_with_progress_and_checksum(site: _Site, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    pulled = pull(site.address, tmp_path, DIGEST, lambda done, total: told.append((done, total)))
    assert pulled.path == tmp_path / "RetiZero.pth"
    assert pulled.path.read_bytes() == CONTENT
    assert (pulled.sha256, pulled.size) == (DIGEST, len(CONTENT))
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [each.name for each in tmp_path.iterdir()] == ["RetiZero.pth"]


def test_a_broken_download_goes_on_where_it_stopped(site: _Site, tmp_path: Path) -> None:
    site.break_after = 1_000_000
    with pytest.raises(ModelError, match="run again to go on"):
        pull(site.address, tmp_path)
    assert not (tmp_path / "RetiZero.pth").exists()
    site.break_after = None
    assert pull(site.address, tmp_path, DIGEST).path.read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=1000000-"]


def test_a_download_begins_again_when_the_server_has_another_version(site: _Site, tmp_path: Path) -> None:
    site.break_after = 1_000_000
    with pytest.raises(ModelError):
        pull(site.address, tmp_path)
    site.break_after, site.etag, site.content = None, '"two"', CONTENT[::-1]
    assert pull(site.address, tmp_path).path.read_bytes() == CONTENT[::-1]


def test_a_download_begins_again_when_more_lies_here_than_there(site: _Site, tmp_path: Path) -> None:
    site.break_after = 1_000_000
    with pytest.raises(ModelError):
        pull(site.address, tmp_path)
    site.break_after, site.content = None, CONTENT[:500_000]
    assert pull(site.address, tmp_path).path.read_bytes() == CONTENT[:500_000]


def test_a_wrong_checksum_keeps_nothing(site: _Site, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not kept"):
        pull(site.address, tmp_path, "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_web_page_in_the_place_of_the_file_is_refused(site: _Site, tmp_path: Path) -> None:
    site.kind = "text/html; charset=utf-8"
    with pytest.raises(ModelError, match="web page"):
        pull(site.address, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("http://example.org/RetiZero.pth", "https only"),
        ("https://example.org/", "does not end in a file name"),
        ("no such thing", "no file or folder here"),
    ],
)
def test_a_source_that_is_none_is_told_in_a_sentence(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        pull(source, tmp_path)


def test_an_address_that_is_not_there_is_told_with_its_status(site: _Site, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="404"):
        pull(site.address.replace("RetiZero.pth", "absent.pth"), tmp_path)


def test_a_local_file_is_copied_and_checked(tmp_path: Path) -> None:
    (tmp_path / "RetiZero.pth").write_bytes(CONTENT)
    pulled = pull(str(tmp_path / "RetiZero.pth"), tmp_path / "models", DIGEST)
    assert pulled.path.read_bytes() == CONTENT
    with pytest.raises(ModelError, match="not kept"):
        pull(str(tmp_path / "RetiZero.pth"), tmp_path / "other", "0" * 64)
    assert list((tmp_path / "other").iterdir()) == []


def test_pulling_a_file_to_where_it_lies_leaves_it(tmp_path: Path) -> None:
    (tmp_path / "RetiZero.pth").write_bytes(CONTENT)
    assert pull(str(tmp_path / "RetiZero.pth"), tmp_path).sha256 == DIGEST
    assert (tmp_path / "RetiZero.pth").read_bytes() == CONTENT


def test_of_a_hugging_face_cache_the_snapshot_of_main_is_copied(tmp_path: Path) -> None:
    cache = tmp_path / "models--owner--tiny"
    for revision in ("old", "new"):
        (cache / "snapshots" / revision).mkdir(parents=True)
        (cache / "blobs").mkdir(exist_ok=True)
        (cache / "blobs" / revision).write_text(revision)
        (cache / "snapshots" / revision / "config.json").symlink_to(cache / "blobs" / revision)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("new")
    pulled = pull(str(cache), tmp_path / "models")
    assert pulled.path == tmp_path / "models" / "tiny"
    assert (pulled.path / "config.json").read_text() == "new"
    assert not (pulled.path / "config.json").is_symlink()
    with pytest.raises(ModelError, match="exists already"):
        pull(str(cache), tmp_path / "models")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A Hugging Face of one repository, owner/tiny; the list fills with what was asked."""
    files = {
        "config.json": b'{"architecture": "retizero"}',
        "pytorch_model.bin": b"weights",
        "photo.jpg": b"x",
    }
    asked: list[str] = []
    commit = "0" * 39 + "1"

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            asked.append(f"{self.command} {self.path}")
            name = self.path.rsplit("/", 1)[-1]
            if self.path.startswith("/api/models/owner/tiny/tree/"):
                tree = [
                    {"type": "file", "path": each, "size": len(files[each]), "oid": "0"} for each in files
                ]
                body = json.dumps(tree).encode()
            elif self.path.startswith("/api/models/owner/tiny"):
                siblings = [{"rfilename": each} for each in files]
                body = json.dumps({"id": "owner/tiny", "sha": commit, "siblings": siblings}).encode()
            elif self.path.startswith("/owner/tiny/resolve/") and name in files:
                body = files[name]
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", commit)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    server.server_close()


def test_of_a_hugging_face_repository_the_model_files_come(hub: list[str], tmp_path: Path) -> None:
    pulled = pull("hf-hub:owner/tiny", tmp_path)
    assert pulled.path == tmp_path / "tiny"
    assert (pulled.path / "pytorch_model.bin").read_bytes() == b"weights"
    assert (pulled.files, pulled.size) == (2, 35)
    assert not any("photo.jpg" in each for each in hub)


def test_a_hugging_face_repository_that_is_not_there_is_told_in_a_sentence(
    hub: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="owner/absent could not be had from Hugging Face"):
        pull("owner/absent", tmp_path)


def test_the_command_needs_to_know_where_models_lie(
    site: _Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETIZERO_MODELS_DIR", raising=False)
    assert main(["models", "pull", site.address]) == 2
    assert "RETIZERO_MODELS_DIR" in capsys.readouterr().err
    monkeypatch.setenv("RETIZERO_MODELS_DIR", str(tmp_path))
    assert main(["models", "pull", site.address, "--sha256", DIGEST, "--json"]) == 0
    assert (tmp_path / "RetiZero.pth").is_file()
