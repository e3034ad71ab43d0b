"""Finds the programs that people unpack archives with, or brings them: unzip, 7-Zip, and libarchive's bsdtar."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from dev import node_packages
from dev.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

SEVEN_ZIP_NAMES: Final = ("7zz", "7z", "7za")
# The program itself, as npm packs it: no root.
SEVEN_ZIP: Final = {"dependencies": {"7zip-bin": "5.2.0"}}
PACKAGES_OF_APT: Final = {"unzip": "unzip", "bsdtar": "libarchive-tools", "zip": "zip"}
_INSTALLING_S: Final = 300


def ensure(name: str) -> str:
    """The path of unzip, zip or bsdtar: the one on PATH, else, where we are root, the one that apt brings.

    Raises:
        Refusal: there is none; it says what to install.
    """
    if shutil.which(name) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _ask_apt(PACKAGES_OF_APT[name])
    found = shutil.which(name)
    if found is None:
        raise Refusal(f"no {name} was found and none could be installed: install {PACKAGES_OF_APT[name]}.")
    return found


def ensure_7zip() -> str:
    """The path of 7-Zip: on PATH, else the one of npm."""
    found = next((path for name in SEVEN_ZIP_NAMES if (path := shutil.which(name))), None)
    return found or str(_program_of_npm())


def _program_of_npm() -> Path:
    place = node_packages.installed("7zip", SEVEN_ZIP, doing="install 7-Zip to test with")
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    program = place / "node_modules" / "7zip-bin" / "linux" / machine / "7za"
    if not program.is_file():
        raise Refusal("no 7-Zip was found for this machine: install 7zip.")
    program.chmod(0o755)
    return program


def _ask_apt(package: str) -> None:
    """How it ends is seen by looking again, its words go to the screen."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
        try:
            subprocess.run(
                ["apt-get", *words], check=False, timeout=_INSTALLING_S, env=quiet, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"apt-get: {error}", flush=True)
