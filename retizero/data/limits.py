"""How large and how small a photograph may be, checked on the header before anything is decoded."""

from retizero.data.errors import ImageReadError

MIN_SIDE = 64
"""Pixels of the shorter side below which no retinal structure can be judged."""

MAX_SIDE = 16_384
"""Pixels of the longer side; wide-field montages stay below it."""

MAX_PIXELS = 80_000_000
"""Width times height; 80 million pixels decode to 240 MB of RGB."""

MAX_BYTES = 512 * 1024 * 1024
"""Size of the file itself."""


def check_bytes(size: int, name: str) -> None:
    """Refuse an empty or an enormous file.

    Args:
        size: Size of the file in bytes.
        name: What to call the file in the message.

    Raises:
        ImageReadError: The file is empty or larger than ``MAX_BYTES``.
    """
    if size == 0:
        raise ImageReadError(f"{name} is empty.")
    if size > MAX_BYTES:
        raise ImageReadError(f"{name} is larger than {MAX_BYTES // 2**20} MiB, the limit for one photograph.")


def check_size(width: int, height: int, name: str) -> None:
    """Refuse a picture whose declared size is outside the limits.

    Args:
        width: Declared width in pixels.
        height: Declared height in pixels.
        name: What to call the file in the message.

    Raises:
        ImageReadError: A side is shorter than ``MIN_SIDE`` or longer than ``MAX_SIDE``, or there are more
            than ``MAX_PIXELS`` pixels.
    """
    if min(width, height) < MIN_SIDE:
        raise ImageReadError(
            f"{name} is {width} x {height} pixels; a photograph needs at least {MIN_SIDE} on each side."
        )
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageReadError(
            f"{name} is {width} x {height} pixels; the limit is {MAX_PIXELS // 1_000_000} million pixels "
            f"and {MAX_SIDE} on a side, so please scale it down."
        )
