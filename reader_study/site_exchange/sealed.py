"""The file of a site package: encrypted with a passphrase, signed with a key, read and written as a stream.

Layout: a magic line, the length and JSON of a header, encrypted chunks, an Ed25519 signature (RFC 8032) of
everything before it. The key comes from the passphrase by scrypt (RFC 7914); chunks are ChaCha20-Poly1305
(RFC 8439) in the STREAM construction (Hoang et al., CRYPTO 2015): each nonce counts, and the last chunk says
that it is the last, so that nothing can be cut off, swapped or added.
"""

import hashlib
import io
import json
import os
import re
import secrets
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from reader_study.errors import PackageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

MAGIC = b"RETIZERO SITE PACKAGE 1\n"
CHUNK = 1 << 20
TAG = 16
SIGNATURE = 64
SCRYPT_N = 1 << 15
SHORTEST_PASSPHRASE = 12
LARGEST_HEADER = 4096
MOST_SCRYPT_N = 1 << 17  # takes 128 MiB to open


@dataclass(frozen=True)
class Header:
    """What a package says before it is decrypted: its kind, number, and the key that signed it."""

    kind: str
    package: str
    public_key: str
    n: int
    salt: str
    prefix: str


def new_key() -> tuple[str, str]:
    """A new signing key: secret and public half, in hexadecimal."""
    secret = Ed25519PrivateKey.generate()
    return secret.private_bytes_raw().hex(), secret.public_key().public_bytes_raw().hex()


def fingerprint(public_key: str) -> str:
    """A public key in sixteen characters that people can compare by telephone."""
    return _grouped(hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:16])


@contextmanager
def sealing(
    path: Path, passphrase: str, *, kind: str, package: str, secret_key: str, n: int = SCRYPT_N
) -> Iterator[BinaryIO]:
    """Write a package as a stream; the file appears only when it is complete.

    Raises:
        PackageError: the passphrase is too short, the file is there already or cannot be written.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise PackageError(f"A passphrase has at least {SHORTEST_PASSPHRASE} characters.")
    if path.exists():
        raise PackageError(f"{path} exists already; name a new file.")
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret_key))
    header = Header(
        kind=kind,
        package=package,
        public_key=key.public_key().public_bytes_raw().hex(),
        n=n,
        salt=secrets.token_hex(16),
        prefix=secrets.token_hex(7),
    )
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            writer = _Writer(file, header, passphrase)
            stream = io.BufferedWriter(writer, CHUNK)
            yield stream
            stream.flush()
            writer.finish(key)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise PackageError(f"The package cannot be written to {path}: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def opening(
    path: Path, passphrase: str, *, kind: str, public_key: str | None = None
) -> Iterator[tuple[Header, BinaryIO]]:
    """Read a package as a stream, after its signature was checked.

    Args:
        path: the file.
        passphrase: the one it was written with.
        kind: what it must be, ``study`` or ``readings``.
        public_key: the key that must have signed it, or its fingerprint; ``None`` takes the one it names.

    Raises:
        PackageError: it is no such package, was changed, another key signed it, or the passphrase is wrong.
    """
    try:
        with path.open("rb") as file:
            header, aad = _read_header(file, path)
            if header.kind != kind:
                raise PackageError(f"{path.name} is a package of {header.kind}, not of {kind}.")
            if public_key is not None:
                _must_be_signed_by(public_key, header, path)
            end = _check_signature(file, path, header)
            reader = _Reader(file, header, aad, passphrase, end)
            yield header, io.BufferedReader(reader, CHUNK)
    except OSError as error:
        raise PackageError(f"The package {path} cannot be read: {error.strerror}.") from error


def header_of(path: Path) -> Header:
    """The header of a package, unchecked.

    Raises:
        PackageError: the file is no package.
    """
    try:
        with path.open("rb") as file:
            return _read_header(file, path)[0]
    except OSError as error:
        raise PackageError(f"The package {path} cannot be read: {error.strerror}.") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a package's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _must_be_signed_by(expected: str, header: Header, path: Path) -> None:
    """Compare the key of a header with the one expected, given whole or as its fingerprint."""
    asked = re.sub(r"[\s-]", "", expected).lower()
    if not re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{64}", asked):
        raise PackageError("A public key has 64 hexadecimal digits, its fingerprint has 16.")
    key = bytes.fromhex(header.public_key).hex()
    if asked not in (key, fingerprint(key).replace("-", "")):
        told = _grouped(asked) if len(asked) == 16 else fingerprint(asked)
        raise PackageError(f"{path.name} is signed by the key {fingerprint(key)}, not by {told}.")


def _grouped(digits: str) -> str:
    return "-".join(digits[start : start + 4] for start in range(0, 16, 4))


def _cipher(header: Header, passphrase: str) -> ChaCha20Poly1305:
    salt = bytes.fromhex(header.salt)
    return ChaCha20Poly1305(Scrypt(salt=salt, length=32, n=header.n, r=8, p=1).derive(passphrase.encode()))


def _nonce(header: Header, number: int, last: bool) -> bytes:
    return bytes.fromhex(header.prefix) + struct.pack(">IB", number, last)


def _packed(header: Header) -> bytes:
    content = json.dumps(header.__dict__, sort_keys=True).encode()
    return MAGIC + struct.pack(">I", len(content)) + content


def _read_header(file: BinaryIO, path: Path) -> tuple[Header, bytes]:
    file.seek(0)
    refused = PackageError(f"{path.name} is not a site package of this program.")
    if file.read(len(MAGIC)) != MAGIC:
        raise refused
    try:
        (length,) = struct.unpack(">I", file.read(4))
        if length > LARGEST_HEADER:
            raise refused
        content: dict[str, Any] = json.loads(file.read(length))
        header = Header(**content)
        sizes = len(bytes.fromhex(header.public_key)), len(bytes.fromhex(header.prefix))
        if sizes != (32, 7) or not 1 < header.n <= MOST_SCRYPT_N or header.n & (header.n - 1):
            raise refused
        if not re.fullmatch(r"S-[0-9a-f]{16}", header.package):  # it becomes the name of a folder
            raise refused
        bytes.fromhex(header.salt)
    except (struct.error, ValueError, TypeError):
        raise refused from None
    return header, _packed(header)


def _check_signature(file: BinaryIO, path: Path, header: Header) -> int:
    """Check the signature of the whole file; return where the encrypted part ends."""
    end = file.seek(0, os.SEEK_END) - SIGNATURE
    start = len(_packed(header))
    if end <= start:
        raise PackageError(f"{path.name} is cut off.")
    file.seek(0)
    digest, left = hashlib.sha512(), end
    while left:
        piece = file.read(min(CHUNK, left))
        if not piece:
            raise PackageError(f"{path.name} is cut off.")
        digest.update(piece)
        left -= len(piece)
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(header.public_key))
        key.verify(file.read(SIGNATURE), digest.digest())
    except InvalidSignature:
        raise PackageError(f"{path.name} was changed or cut off after it was signed.") from None
    file.seek(start)
    return end


class _Writer(io.RawIOBase):
    """Encrypts chunk by chunk; ``finish`` seals the last one and signs."""

    def __init__(self, file: BinaryIO, header: Header, passphrase: str) -> None:
        self.file, self.header = file, header
        self.cipher, self.digest = _cipher(header, passphrase), hashlib.sha512()
        self.aad, self.number, self.waiting = _packed(header), 0, b""
        self._put(self.aad)

    def writable(self) -> bool:
        return True

    def write(self, content: "ReadableBuffer") -> int:
        plain = bytes(content)
        self.waiting += plain
        while len(self.waiting) > CHUNK:
            self._seal(self.waiting[:CHUNK], last=False)
            self.waiting = self.waiting[CHUNK:]
        return len(plain)

    def finish(self, key: Ed25519PrivateKey) -> None:
        self._seal(self.waiting, last=True)
        self.file.write(key.sign(self.digest.digest()))

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._put(self.cipher.encrypt(_nonce(self.header, self.number, last), chunk, self.aad))
        self.number += 1

    def _put(self, content: bytes) -> None:
        self.digest.update(content)
        self.file.write(content)


class _Reader(io.RawIOBase):
    """Decrypts chunk by chunk up to the signature."""

    def __init__(self, file: BinaryIO, header: Header, aad: bytes, passphrase: str, end: int) -> None:
        self.file, self.header, self.aad, self.end = file, header, aad, end
        self.cipher, self.number, self.plain = _cipher(header, passphrase), 0, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self.plain and self.file.tell() < self.end:
            self._unseal()
        room = memoryview(buffer).cast("B")
        taken = self.plain[: len(room)]
        room[: len(taken)] = taken
        self.plain = self.plain[len(taken) :]
        return len(taken)

    def _unseal(self) -> None:
        piece = self.file.read(min(CHUNK + TAG, self.end - self.file.tell()))
        last = self.file.tell() >= self.end
        try:
            self.plain = self.cipher.decrypt(_nonce(self.header, self.number, last), piece, self.aad)
        except InvalidTag:
            raise PackageError("The passphrase does not fit the package.") from None
        self.number += 1
