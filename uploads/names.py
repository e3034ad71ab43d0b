"""Pure: what a person may read of a file's name. Names are for display; no key or path is ever made of them."""

import re
import unicodedata
from pathlib import PurePosixPath

from uploads.limits import MAX_NAME_BYTES, MAX_PATH_CHARS, MAX_PATH_DEPTH

# Control characters break headers; bidirectional overrides make "gpj.exe" look like "exe.jpg".
INVISIBLE = re.compile("[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
NAMELESS = "photo"


def display_name(raw: str) -> str:
    """The last component, NFC, visible, at most 255 bytes with its extension kept; never empty."""
    name = last_component(raw)
    stem, dot, extension = name.rpartition(".")
    if not name.strip(". "):
        return NAMELESS
    if dot and not stem.strip(". "):
        return shortened(f"{NAMELESS}.{extension}")
    return shortened(name)


def last_component(raw: str) -> str:
    """Cleaned first, composed second: an invisible character may stand between a letter and its accent."""
    visible = INVISIBLE.sub("", raw.replace("\\", "/").rstrip("/").rpartition("/")[2])
    return unicodedata.normalize("NFC", visible).strip()


def shortened(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    suffix = PurePosixPath(name).suffix[:16]
    room = MAX_NAME_BYTES - len(suffix.encode())
    return name.encode()[:room].decode("utf-8", "ignore") + suffix


def display_path(raw: str) -> str:
    """The folders and the name, each cleaned; no climbing, at most eight deep."""
    components = [last_component(part) for part in raw.replace("\\", "/").split("/")]
    kept = [part for part in components if part.strip(". ")][-MAX_PATH_DEPTH:]
    return "/".join(kept)[-MAX_PATH_CHARS:].lstrip("/")


def extension_of(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""
