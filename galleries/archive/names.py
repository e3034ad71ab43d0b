"""Pure: what the files of an archive are called: as they were, as far as every system can unpack that. Not mirrored."""

import re
import unicodedata
from typing import Final

from galleries.download_names import MAX_NAME_BYTES
from galleries.text import clean_line

# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
REFUSED_BY_WINDOWS: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
DEVICES: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
NAMELESS: Final = "photo"
MAX_EXTENSION_CHARS: Final = 12  # what is longer behind the last dot is no extension


class Names:
    """Gives each file a name that no other has, also where upper and lower case are one, as on Windows and macOS.

    The same names in the same order become the same again.
    """

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def give(self, wanted: str) -> str:
        """«IMG_1.jpg», the next one «IMG_1 (2).jpg»."""
        name = safe_name(wanted)
        key = as_one(name)
        if key not in self._taken:
            self._taken[key] = 1
            return name
        while True:
            self._taken[key] += 1
            numbered = with_number(name, self._taken[key])
            if as_one(numbered) not in self._taken:
                self._taken[as_one(numbered)] = 1
                return numbered


def safe_name(wanted: str) -> str:
    """At most 255 bytes. Nothing of it leads out of a folder, hides the file, or is refused by Windows."""
    if wanted.isascii() and REFUSED_BY_WINDOWS.search(wanted) is None:
        name = wanted
    else:
        name = unicodedata.normalize("NFC", REFUSED_BY_WINDOWS.sub("_", clean_line(wanted)))
    name = shortened(name.strip(" ")).rstrip(". ")
    if name.startswith(".") or DEVICES.match(name):
        name = shortened(f"_{name}").rstrip(". ")
    return name or NAMELESS


def shortened(name: str, ending: str = "") -> str:
    """With `ending` before its extension, and as much of what comes before as there is room for."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > MAX_EXTENSION_CHARS:
        stem, dot, extension = name, "", ""
    tail = f"{ending}{dot}{extension}"
    if not ending and len(name.encode()) <= MAX_NAME_BYTES:
        return name
    room = MAX_NAME_BYTES - len(tail.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + tail


def with_number(name: str, number: int) -> str:
    return shortened(name, f" ({number})")


def as_one(name: str) -> str:
    """Two names that a system may take for one have the same of these."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name.casefold())
