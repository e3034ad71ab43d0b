"""In the child: what a decoder raised, as the code its owner will read."""

import re
from typing import Final

import pyvips

from galleries.decode.loaders import Refused
from galleries.decode.wire import Refusal

# What decoders raise for the bytes of a stranger; `loaders` turns the errors of the others into Refused.
ANSWERED: Final = (Refused, pyvips.Error, MemoryError)

_MAX_REASON_CHARS: Final = 200
_UNPRINTABLE: Final = re.compile("[^\x20-\x7e]+")
# The words of libvips, libheif and libtiff for memory that was refused to them, and for coding they don't know.
_MEMORY: Final = re.compile(
    r"out of memory|unable to allocate|cannot allocate|insufficient memory", re.IGNORECASE
)
_UNKNOWN: Final = re.compile(r"unsupported|not supported|has not been built in", re.IGNORECASE)


def refusal_for(error: Exception) -> Refusal:
    if isinstance(error, Refused):
        return Refusal(error.code, _line(error.reason), error.width_px, error.height_px)
    if isinstance(error, MemoryError):
        return Refusal("memory", "", 0, 0)
    words = str(error.detail if isinstance(error, pyvips.Error) else error)
    return Refusal(_code(words), _line(words), 0, 0)


def _code(words: str) -> str:
    if _MEMORY.search(words):
        return "memory"
    return "unsupported_format" if _UNKNOWN.search(words) else "damaged_photo"


def _line(words: str) -> str:
    return _UNPRINTABLE.sub(" ", words).strip()[:_MAX_REASON_CHARS]
