"""Bring a model's files here: from a path, from Hugging Face, or from a web address with resume."""

from __future__ import annotations

import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from retizero.model.errors import ModelError
from retizero.model.identity import sha256_of

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all or None
_CHUNK = 1 << 20
_SECONDS = 30
_REPOSITORY = re.compile(r"(?:hf-hub:)?([\w.-]+/[\w.-]+)")
_MODEL_FILES = ["*.json", "*.txt", "*.safetensors", "*.bin", "*.pth", "*.pt", "*.md"]


@dataclass(frozen=True)
class Pulled:
    """What was brought.

    Attributes:
        path: File or folder.
        files: Files in it.
        size: Bytes.
        sha256: Of the one file, or None for a folder.
    """

    path: Path
    files: int
    size: int
    sha256: str | None


def pull(source: str, folder: Path, sha256: str | None = None, progress: Progress | None = None) -> Pulled:
    """Copy or download a model into a folder.

    Args:
        source: Path of a file or folder, ``owner/name`` (also ``hf-hub:``), or an https address of a file.
        folder: Where models lie; made when missing. The model keeps its name.
        sha256: What the file must have; 64 hex digits.
        progress: Called with bytes so far and in all.

    Raises:
        ModelError: Nothing is there, the connection broke (run again to go on), or the checksum differs.
    """
    tell = progress or (lambda done, total: None)
    local = Path(source).expanduser()
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ModelError("--sha256 takes 64 hexadecimal digits.")
    if local.is_file():
        return _copy_file(local, folder, sha256, tell)
    repository = _REPOSITORY.fullmatch(source)
    if sha256 is not None and (local.is_dir() or repository):
        raise ModelError("A checksum can be given for one file, not for a folder of them.")
    if local.is_dir():
        return _copy_folder(local, folder)
    if source.startswith(("https://", "http://")):
        return _download(source, folder, sha256, tell)
    if repository:
        return _from_hub(repository[1], folder)
    raise ModelError(
        f"{source!r} is no file or folder here, no Hugging Face id (owner/name) and no https address."
    )


def _copy_file(source: Path, folder: Path, sha256: str | None, tell: Progress) -> Pulled:
    target = folder / source.name
    if target.exists() and target.samefile(source):
        return _checked(target, target, sha256)
    part = _part_of(target)
    total = source.stat().st_size
    try:
        with source.open("rb") as reader, part.open("wb") as writer:
            _copy(reader, writer, 0, total, tell)
        return _checked(part, target, sha256)
    finally:
        part.unlink(missing_ok=True)


def _copy_folder(source: Path, folder: Path) -> Pulled:
    """Copy a model folder; of a Hugging Face cache folder (``models--owner--name``) the newest snapshot."""
    name, inner = source.name, source
    if (source / "snapshots").is_dir():
        reference = source / "refs" / "main"
        revision = reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""
        inner = source / "snapshots" / revision
        if not revision or not inner.is_dir():
            raise ModelError(f"{source} is a Hugging Face cache without a complete snapshot of main.")
        name = source.name.split("--")[-1]
    target = folder / name
    if target.exists():
        raise ModelError(f"{target} exists already; remove it first.")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(inner, part)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _folder_summary(target)


def _from_hub(repository: str, folder: Path) -> Pulled:
    """Download a repository's model files; ``huggingface_hub`` resumes, shows progress and checks."""
    from huggingface_hub import snapshot_download

    target = folder / repository.split("/")[1]
    try:
        endpoint = os.environ.get("HF_ENDPOINT")  # a mirror
        snapshot_download(repository, local_dir=target, allow_patterns=_MODEL_FILES, endpoint=endpoint)
    except Exception as error:  # a dozen unrelated classes of httpx and huggingface_hub
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{repository} could not be had from Hugging Face: {reason}") from error
    return _folder_summary(target)


def _download(address: str, folder: Path, sha256: str | None, tell: Progress) -> Pulled:
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ModelError("Weights are fetched over https only.")
    name = Path(unquote(parts.path)).name
    if not name or name.startswith("."):
        raise ModelError(f"The address {address} does not end in a file name.")
    target = folder / name
    part = _part_of(target)
    tag = part.with_name(part.name + ".etag")  # what the server called the version that lies half here
    try:
        with _open(address, part, tag) as response:
            kind = response.headers.get_content_type()
            if kind == "text/html" and Path(name).suffix not in (".html", ".htm"):
                raise ModelError(
                    f"{address} answered with a web page, not with the file: open it in a browser."
                )
            resumed = response.status == 206
            start = part.stat().st_size if resumed else 0
            length = response.headers.get("Content-Length")
            total = start + int(length) if length else None
            if version := response.headers.get("ETag"):
                tag.write_text(version, encoding="utf-8")
            with part.open("ab" if resumed else "wb") as writer:
                _copy(response, writer, start, total, tell)
    except urllib.error.HTTPError as error:
        raise ModelError(f"{address} answered {error.code} {error.reason}.") from error
    except (OSError, HTTPException) as error:
        raise ModelError(
            f"The connection to {parts.hostname} broke ({error}); run again to go on."
        ) from error
    if total is not None and part.stat().st_size != total:
        raise ModelError(
            f"The connection to {parts.hostname} ended after {part.stat().st_size} of {total} bytes; "
            "run again to go on."
        )
    try:
        return _checked(part, target, sha256)
    finally:
        part.unlink(missing_ok=True)  # complete but wrong, when it is still there
        tag.unlink(missing_ok=True)


def _open(address: str, part: Path, tag: Path) -> HTTPResponse:
    """Ask for what is missing; for everything when the server's version changed or it cannot resume."""
    have = part.stat().st_size if part.is_file() and tag.is_file() else 0
    headers = {"User-Agent": "retizero-studio", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8")}
    try:
        return _response(urllib.request.Request(address, headers=headers))
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        part.unlink(missing_ok=True)  # as long as the file or longer: begin again
        return _open(address, part, tag)


def _response(request: urllib.request.Request) -> HTTPResponse:
    return cast(HTTPResponse, urllib.request.urlopen(request, timeout=_SECONDS))


def _copy(
    reader: BinaryIO | HTTPResponse, writer: BinaryIO, done: int, total: int | None, tell: Progress
) -> None:
    tell(done, total)
    while chunk := reader.read(_CHUNK):
        writer.write(chunk)
        done += len(chunk)
        tell(done, total)


def _checked(file: Path, target: Path, sha256: str | None) -> Pulled:
    """Give a complete file its name once its checksum is right."""
    digest = sha256_of(file)
    if sha256 is not None and digest != sha256.lower():
        raise ModelError(f"{target.name} has SHA-256 {digest}, not {sha256.lower()}; it was not kept.")
    if file != target:
        file.replace(target)
    return Pulled(target, 1, target.stat().st_size, digest)


def _part_of(target: Path) -> Path:
    """Name the unfinished file beside the target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name}.part")


def _folder_summary(folder: Path) -> Pulled:
    files = [each for each in folder.rglob("*") if each.is_file() and ".cache" not in each.parts]
    return Pulled(folder, len(files), sum(each.stat().st_size for each in files), None)
