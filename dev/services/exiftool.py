"""Finds an ExifTool to look into photos with, or brings one: the strictest reader of metadata there is."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from dev import node_packages
from dev.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

# The Perl program itself, as npm packs it: no root, and the same version everywhere. Perl has to be there.
PACKAGE: Final = {"dependencies": {"exiftool-vendored.pl": "13.59.3"}}
_ASKING_S: Final = 30


def ensure() -> tuple[str, ...]:
    """The command line that ExifTool begins with: EXIFTOOL, else what is on PATH, else the one of npm.

    Raises:
        Refusal: none of them runs; it says what to install.
    """
    given = os.environ.get("EXIFTOOL") or shutil.which("exiftool")
    if given and _runs((given,)):
        return (given,)
    place = node_packages.installed("exiftool", PACKAGE, doing="install ExifTool to test with")
    command = ("perl", str(_program_in(place)))
    if not _runs(command):
        raise Refusal(
            "no ExifTool runs here: install perl or exiftool, or set EXIFTOOL to the path of the program."
        )
    return command


def _program_in(place: Path) -> Path:
    return place / "node_modules" / "exiftool-vendored.pl" / "bin" / "exiftool"


def _runs(command: tuple[str, ...]) -> bool:
    try:
        subprocess.run([*command, "-ver"], check=True, capture_output=True, timeout=_ASKING_S)
    except (OSError, subprocess.SubprocessError):
        return False
    return True
