"""ExifTool, asked about many files at once: starting Perl costs more than reading a photo."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev.services import exiftool

if TYPE_CHECKING:
    from collections.abc import Iterable

# Every name under which any format tells where a photo was taken.
TELLING: Final = re.compile(r"GPS.*|.*(Latitude|Longitude|City|Location|Sublocation).*")
_LIMIT_S: Final = 120


class ExifReader:
    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command

    def tags(self, files: Iterable[Path]) -> dict[Path, dict[str, object]]:
        """All tags of each, `group:name`, those of embedded pictures and videos among them."""
        told = json.loads(
            self._run("-j", "-ee", "-a", "-G1", "-s", *files).decode("utf-8", "replace") or "[]"
        )
        return {Path(each.pop("SourceFile")): each for each in told}

    def places(self, files: Iterable[Path]) -> dict[Path, set[str]]:
        """The tags of each that tell a place."""
        return {
            file: {name for name in tags if TELLING.fullmatch(name.rpartition(":")[2])}
            for file, tags in self.tags(files).items()
        }

    def plant(self, files: Iterable[Path], *tags: str) -> None:
        """Writes tags into files, `-GROUP:NAME=VALUE` each; what a format can't hold is left out."""
        self._run("-q", "-m", "-overwrite_original", *tags, *files)

    def _run(self, *arguments: str | Path) -> bytes:
        """It ends with 1 where one of many files was not to its taste; what it says of the others is good."""
        ended = subprocess.run(
            [*self._command, *arguments], capture_output=True, timeout=_LIMIT_S, check=False
        )
        return ended.stdout


@cache
def exif_reader() -> ExifReader:
    """Raises: Refusal where there is none and none can be brought."""
    return ExifReader(exiftool.ensure())
