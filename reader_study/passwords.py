"""Passwords: argon2id hashes, and what a password must be."""

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from reader_study.errors import AccountError

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 256
NO_PASSWORD = "!"
"""Stands in place of a hash where nobody can sign in: simulated readers, erased accounts."""


def hash_password(hasher: PasswordHasher, password: str) -> str:
    """The argon2id hash of a password.

    Raises:
        AccountError: it is shorter than 8 or longer than 256 characters, or holds a control character.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise AccountError(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in password):
        raise AccountError("A password cannot hold control characters.")
    return hasher.hash(password)


def password_fits(hasher: PasswordHasher, password_hash: str, password: str) -> bool:
    """Whether the password belongs to the hash; never raises."""
    try:
        return hasher.verify(password_hash, password[: LONGEST_PASSWORD + 1])
    except (Argon2Error, InvalidHashError, UnicodeError):
        return False
