"""Find a Chromium for the browser tests; with ``--install``, get one where there is none.

Order: an installed browser (``CHROMIUM``, Debian's, Chrome), then Playwright's own, then, as root on a
Debian machine, Debian's package, which needs no host but Debian's.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No sandbox: tests may run as root in a container. No background networking: only our own server is visited.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


def installed() -> str | None:
    """Return the executable of a browser on this machine, or None."""
    candidates = [os.environ.get("CHROMIUM", ""), *NAMES]
    found = next((path for name in candidates if name and (path := shutil.which(name))), None)
    return found or _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install() -> None:
    """Get a browser: Playwright's own, else Debian's package."""
    own = [sys.executable, "-m", "playwright", "install", "chromium"]
    if subprocess.run(own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600).returncode == 0:
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
        packages = ["chromium", "fonts-noto-cjk"]
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", *packages],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )


if __name__ == "__main__":
    if installed() is None and "--install" in sys.argv:
        install()
    print(f"Browser tests use {installed() or 'no browser: they will fail; install chromium'}.")
