"""The photographs of a package, written where it is opened: under random names, for the owner only."""

import os
import secrets
import tarfile
from pathlib import Path

from reader_study.case_list import image_sha256
from reader_study.errors import PackageError
from reader_study.site_exchange.content import UNREADABLE, Row


def unpack(tar: tarfile.TarFile, cases: list[Row], folder: Path) -> dict[str, Path]:
    """Write each photograph of a package; the package's own names are used for nothing.

    Returns:
        The file of each case, by its code.

    Raises:
        PackageError: an image is missing, not the one that was sent, or the folder cannot be written.
    """
    paths = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for number, case in enumerate(cases):
            member = tar.next()
            content = tar.extractfile(member) if member is not None else None
            if member is None or content is None or member.name != f"images/{number}":
                raise PackageError(f"The package lacks the image of case {case['code']}.")
            path = folder / secrets.token_hex(12)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(content.read())
            if image_sha256(path) != case["sha256"]:
                raise PackageError(f"The image of case {case['code']} is not the one that was sent.")
            paths[case["code"]] = path
    except OSError as error:
        raise PackageError(f"The images cannot be written to {folder}: {error.strerror}.") from error
    except tarfile.TarError:
        raise PackageError(UNREADABLE) from None
    return paths
