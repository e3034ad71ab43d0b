"""Finds a Chromium to drive, or brings one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from dev.refusal import Refusal

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

FLAGS: Final = (
    "--no-sandbox",  # root and most containers have no user namespaces; it opens our own pages only
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # containers give 64 MB of /dev/shm, which a few hundred photos fill
)


def find() -> Path | None:
    """CHROMIUM, else the first on PATH or in Playwright's cache which starts at all.

    A name alone proves little: Ubuntu's chromium-browser may be a note to install a snap, and Playwright's
    build starts only where the libraries it needs are installed.
    """
    if given := os.environ.get("CHROMIUM"):
        return Path(given)
    on_path = (Path(found) for name in NAMES if (found := shutil.which(name)))
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    cached = sorted(cache.glob("chromium-*/chrome-linux*/chrome"), reverse=True)
    return next((path for path in (*on_path, *cached) if _starts(path)), None)


def _starts(executable: Path) -> bool:
    try:
        subprocess.run([executable, "--version"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def ensure(python: Path) -> Path:
    """A Chromium: found, else installed by the Playwright of `python`, else by apt where we are root.

    Raises:
        Refusal: nothing worked; it says what to install.
    """
    found = find()
    for bring in (_install_by_playwright, _install_by_apt):
        if found is None:
            bring(python)
            found = find()
    if found is None:
        raise Refusal(
            "no Chromium was found and none could be installed; install chromium or google-chrome, "
            "or set CHROMIUM to the path of one."
        )
    return found


def _install_by_playwright(python: Path) -> None:
    print("No Chromium on PATH: asking Playwright for one.", flush=True)
    with_libraries = ["--with-deps"] if os.geteuid() == 0 else []
    _try([str(python), "-m", "playwright", "install", *with_libraries, "chromium"], within_s=600)


def _install_by_apt(_python: Path) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print("Asking apt for chromium.", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _try(["apt-get", "update", "-qq"], within_s=120, env=quiet)
    _try(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], within_s=600, env=quiet)


def _try(command: list[str], *, within_s: float, env: dict[str, str] | None = None) -> None:
    """Runs an installer; how it ends is seen by looking again, its words go to the screen."""
    try:
        subprocess.run(command, check=False, timeout=within_s, env=env, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{command[0]}: {error}", flush=True)
